import { isKind } from '../../base/errors.ts';
import type { ContainerService } from '../../engine/containers/containers.ts';
import type { EventBus } from '../../engine/events/events.ts';
import type { CreateNetwork, Network, NetworkService } from '../../engine/networks/networks.ts';
import type { Filters } from '../../wire/filters.ts';
import { requireJson } from '../body.ts';
import { connectNetworkBody, createNetworkBody, disconnectNetworkBody } from '../codec/bodies.ts';
import { isAlive } from '../convert/endpoint.ts';
import { networkContainers, networkToWire } from '../convert/network.ts';
import { HttpError, notYet } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { PRUNE_FILTERS, pruneTest } from '../prune.ts';
import { filters, text } from '../query.ts';
import type { Route } from '../router.ts';
import { SWARM_OFF } from './swarm.ts';

interface Dependencies {
  readonly networks: Pick<NetworkService, 'get' | 'list' | 'create' | 'remove'>;
  readonly containers: Pick<ContainerService, 'list' | 'connect' | 'disconnect'>;
  readonly events: Pick<EventBus, 'emit'>;
  readonly now: () => number;
}

const LIST_FILTERS: ReadonlySet<string> = new Set([
  'dangling',
  'driver',
  'id',
  'label',
  'name',
  'scope',
  'type',
]);
const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);

const NO_BODY = 'invalid JSON: got EOF while reading request body';

/** Networks. */
export function networkRoutes({ networks, containers, events, now }: Dependencies): Route[] {
  /** Ids of networks that a living container is in. */
  const used = () =>
    new Set(
      containers
        .list()
        .filter(isAlive)
        .flatMap((container) => container.endpoints.map((endpoint) => endpoint.networkId)),
    );

  function list(x: Exchange): void {
    const given = filters(x).restrictTo(LIST_FILTERS);
    const inUse = given.has('dangling') ? used() : new Set<string>();
    const matches = networkTest(given, inUse);
    x.json(200, networks.list().filter(matches).map(networkToWire));
  }

  function inspect(x: Exchange): void {
    const scope = text(x, 'scope');
    const network = networks.get(x.param);
    if (scope !== '' && scope !== network.scope) throw new HttpError(404, `network ${x.param} not found`);
    x.json(200, { ...networkToWire(network), Containers: networkContainers(network, containers.list()) });
  }

  async function prune(x: Exchange): Promise<void> {
    const prunable = pruneTest(filters(x).restrictTo(PRUNE_FILTERS), now());
    const inUse = used();
    const deleted: string[] = [];
    for (const network of networks.list()) {
      if (PREDEFINED.has(network.name) || inUse.has(network.id) || network.configOnly) continue;
      if (!prunable(network.labels, network.createdAt)) continue;
      try {
        await networks.remove(network.id);
        deleted.push(network.name);
      } catch (error) {
        // Somebody began to use it, or removed it, in the meantime.
        if (!isKind(error, 'forbidden', 'conflict', 'not-found')) throw error;
      }
    }
    events.emit({ type: 'network', action: 'prune', id: '', attributes: { reclaimed: '0' } });
    x.json(200, { NetworksDeleted: deleted.length === 0 ? null : deleted });
  }

  return [
    { method: 'GET', pattern: '/networks', handle: list },
    // Docker answers both.
    { method: 'GET', pattern: '/networks/', handle: list },
    { method: 'GET', pattern: '/networks/{id}', handle: inspect },
    {
      method: 'POST',
      pattern: '/networks/create',
      async handle(x) {
        const { id, warning } = await networks.create(await readCreate(x));
        x.json(201, { Id: id, Warning: warning });
      },
    },
    {
      method: 'DELETE',
      pattern: '/networks/{id}',
      async handle(x) {
        await networks.remove(x.param);
        x.empty(204);
      },
    },
    { method: 'POST', pattern: '/networks/prune', handle: prune },
    {
      method: 'POST',
      pattern: '/networks/{id}/connect',
      async handle(x) {
        const { container, settings } = await requireJson(x, connectNetworkBody, NO_BODY);
        await containers.connect(networks.get(x.param).id, container, settings);
        x.empty(200);
      },
    },
    {
      method: 'POST',
      pattern: '/networks/{id}/disconnect',
      async handle(x) {
        const { container, force } = await requireJson(x, disconnectNetworkBody, NO_BODY);
        await containers.disconnect(networks.get(x.param).id, container, force);
        x.empty(200);
      },
    },
  ];
}

async function readCreate(x: Exchange): Promise<CreateNetwork> {
  const body = await requireJson(x, createNetworkBody, NO_BODY);
  if (body.scope === 'swarm' || body.ingress || body.driver === 'overlay')
    throw new HttpError(503, SWARM_OFF);
  if (body.enableIPv4 === false) throw notYet('a network without IPv4');
  if (body.name.trim() === '') throw new HttpError(400, 'invalid network name: name is empty');
  return {
    name: body.name,
    driver: body.driver || 'bridge',
    internal: body.internal,
    attachable: body.attachable,
    enableIPv6: body.enableIPv6 ?? false,
    ipamDriver: body.ipam.driver || 'default',
    ipamOptions: body.ipam.options,
    subnets: body.ipam.config,
    options: body.options,
    labels: body.labels,
    configOnly: body.configOnly,
    configFrom: body.configFrom.network,
  };
}

function networkTest(given: Filters, inUse: ReadonlySet<string>): (network: Network) => boolean {
  const dangling = given.has('dangling') ? given.bool('dangling', false) : undefined;
  for (const type of given.get('type')) {
    if (type !== 'custom' && type !== 'builtin') throw new HttpError(400, `invalid filter: 'type'='${type}'`);
  }
  const matchesAny = (name: string, test: (value: string) => boolean) =>
    !given.has(name) || given.get(name).length === 0 || given.get(name).some(test);
  return (network) => {
    const predefined = PREDEFINED.has(network.name);
    return (
      given.exact('driver', network.driver) &&
      given.exact('scope', network.scope) &&
      given.exact('type', predefined ? 'builtin' : 'custom') &&
      matchesAny('id', (value) => network.id.startsWith(value)) &&
      matchesAny('name', (value) => network.name.includes(value)) &&
      given.labels('label', network.labels) &&
      (dangling === undefined || dangling === (!predefined && !inUse.has(network.id)))
    );
  };
}
