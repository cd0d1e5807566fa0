import { TareError } from '../../base/errors.ts';
import type { CreateContainer } from '../../engine/containers/model.ts';
import type { ChangeKind } from '../../wire/containers.ts';
import { requireJson } from '../body.ts';
import { createContainerBody, updateContainerBody } from '../codec/bodies.ts';
import { inspectContainer } from '../convert/container.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { flag, text } from '../query.ts';
import type { Route } from '../router.ts';

type Dependencies = Pick<ApiDependencies, 'containers' | 'paths'>;

const CONTAINER_NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const EMPTY_CONFIG = 'config cannot be empty in order to create a container';
const CHANGE_KINDS: Readonly<Record<'A' | 'C' | 'D', ChangeKind>> = { C: 0, A: 1, D: 2 };

/** Making, changing and removing containers. */
export function containerRoutes({ containers, paths }: Dependencies): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/containers/create',
      async handle(x) {
        const request = await readCreate(x);
        const { id, warnings } = await containers.create(request);
        x.json(201, { Id: id, Warnings: warnings });
      },
    },
    {
      method: 'GET',
      pattern: '/containers/{name*}/json',
      async handle(x) {
        const container = containers.get(x.param);
        const size = flag(x, 'size') ? await containers.size(container.id) : undefined;
        const inspect = inspectContainer(container, paths(container.id), x.version, size);
        const execs = containers.execsOf?.(container.id) ?? [];
        x.json(200, execs.length > 0 ? { ...inspect, ExecIDs: execs } : inspect);
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/rename',
      async handle(x) {
        const name = text(x, 'name');
        if (name !== '') checkName(name);
        await containers.rename(x.param, name);
        x.empty(204);
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/update',
      async handle(x) {
        const body = await requireJson(
          x,
          updateContainerBody,
          'invalid JSON: got EOF while reading request body',
        );
        const { resources, restartPolicy, ...ports } = body;
        if (x.version < 40) resources.pidsLimit = null;
        // Any negative number was always taken for "no limit".
        else if (typeof resources.pidsLimit === 'number')
          resources.pidsLimit = Math.max(resources.pidsLimit, 0);
        const { warnings } = await containers.update(x.param, { resources, restartPolicy, ports });
        x.json(200, { Warnings: warnings.length === 0 ? null : warnings });
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/resize',
      async handle(x) {
        const { height, width } = readSize(x);
        await containers.resize(x.param, height, width);
        x.empty(200);
      },
    },
    {
      method: 'GET',
      pattern: '/containers/{name}/top',
      async handle(x) {
        const { titles, processes } = await containers.top(x.param, text(x, 'ps_args') || '-ef');
        x.json(200, { Titles: titles, Processes: processes });
      },
    },
    {
      method: 'GET',
      pattern: '/containers/{name}/changes',
      async handle(x) {
        const changes = await containers.changes(x.param);
        const wire = changes.map(({ kind, path }) => ({ Path: path, Kind: CHANGE_KINDS[kind] }));
        x.json(200, wire.length === 0 ? null : wire);
      },
    },
    {
      method: 'DELETE',
      // Names of links have a slash.
      pattern: '/containers/{name*}',
      async handle(x) {
        await containers.remove(x.param, {
          force: flag(x, 'force'),
          volumes: flag(x, 'v'),
          link: flag(x, 'link'),
          client: x.client,
        });
        x.empty(204);
      },
    },
  ];
}

async function readCreate(x: Exchange): Promise<CreateContainer> {
  const name = text(x, 'name');
  if (name !== '') checkName(name);
  const body = await requireJson(x, createContainerBody, EMPTY_CONFIG);
  const { config, hostConfig } = body;
  if (x.version < 44) {
    // Read-only binds became recursive with API 1.44; older clients count on the former way.
    for (const mount of hostConfig.mounts) {
      if (mount.type === 'bind' && mount.readOnly && mount.bindOptions?.readOnlyForceRecursive !== true) {
        mount.bindOptions = {
          propagation: '',
          nonRecursive: false,
          createMountpoint: false,
          readOnlyForceRecursive: false,
          ...mount.bindOptions,
          readOnlyNonRecursive: true,
        };
      }
    }
  }
  // Containers of clients from before API 1.40 share their IPC namespace with who asks.
  if (x.version < 40 && hostConfig.ipcMode === '') hostConfig.ipcMode = 'shareable';
  const { resources } = hostConfig;
  if (resources.pidsLimit !== null && resources.pidsLimit <= 0) resources.pidsLimit = null;
  const networks = Object.keys(body.networking.endpoints);
  if (x.version < 44 && networks.length > 1) {
    throw new HttpError(
      400,
      `Container cannot be created with multiple network endpoints: ${networks.join(', ')}`,
    );
  }
  return {
    name: name === '' ? undefined : name.replace(/^\//, ''),
    platform: text(x, 'platform') || undefined,
    config,
    hostConfig,
    endpoints: body.networking.endpoints,
    writableBelowBinds: x.version < 44,
  };
}

function checkName(name: string): void {
  if (CONTAINER_NAME.test(name)) return;
  throw new TareError(
    'invalid',
    `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
  );
}

/** Height and width of a terminal. */
export function readSize(x: Exchange): { height: number; width: number } {
  return { height: cells(x, 'h', 'height'), width: cells(x, 'w', 'width') };
}

/** A number of character cells, 32 bits without sign, with dockerd's words for anything else. */
function cells(x: Exchange, parameter: string, what: string): number {
  const given = text(x, parameter);
  const fail = (why: string): HttpError =>
    new HttpError(400, `invalid resize ${what} ${JSON.stringify(given)}: ${why}`);
  if (!/^-?\d+$/.test(given)) throw fail('invalid syntax');
  const number = Number(given);
  if (number < 0 || number > 0xffffffff) throw fail('value out of range');
  return number;
}
