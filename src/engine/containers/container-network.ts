import { UndoStack } from '../../base/dispose.ts';
import { TareError } from '../../base/errors.ts';
import type { NetworkNamespace } from '../../netdriver/netdriver.ts';
import type { NetworkService } from '../networks/networks.ts';
import { hasNames, publishingEndpoint, restingEndpoint, withGateway } from './endpoints.ts';
import { isAlive } from './lifecycle.ts';
import type { Container, ContainerEndpoint, PublishedPort } from './model.ts';
import { networkMode } from './modes.ts';
import { publicationsOf } from './port-requests.ts';

/** `path` of a connection whose namespace the runtime makes, because it belongs to a user namespace. */
export const NEW_NAMESPACE = 'new';

/** What a container's start got from the network side. */
export interface Connection {
  /** Path of the network namespace for the runtime; undefined: the host's; NEW_NAMESPACE: one that it makes. */
  readonly path: string | undefined;
  readonly endpoints: ContainerEndpoint[];
  readonly ports: PublishedPort[];
  /** The other container whose network (and names) this one shares. */
  readonly sharedWith: Container | undefined;
  /** Lets go of the namespace's descriptor, once a process holds it. */
  close(): void;
  /** With NEW_NAMESPACE: puts the endpoints into the namespace of the created container's process. */
  readonly plug?: (pid: number) => Promise<Pick<Connection, 'endpoints' | 'ports'>>;
}

type Networks = Pick<
  NetworkService,
  | 'get'
  | 'namespace'
  | 'namespaceOf'
  | 'allocate'
  | 'release'
  | 'join'
  | 'leave'
  | 'publish'
  | 'unpublish'
  | 'serveNames'
  | 'stopNames'
>;

/**
 * Connects a container that is about to start, as its network mode says; all or nothing. `mapped`: it gets a user
 * namespace of its own.
 */
export async function connectContainer(
  container: Container,
  networks: Networks,
  find: (ref: string) => Container,
  mapped: boolean,
): Promise<Connection> {
  const mode = networkMode(container.hostConfig.networkMode);
  const nothing = { endpoints: [...container.endpoints], ports: [], sharedWith: undefined, close: () => {} };
  if (mode.kind === 'container') {
    const other = find(mode.ref);
    if (!isAlive(other.state)) {
      throw new TareError(
        'conflict',
        `cannot join network of a non running container: ${other.id}: start it first`,
      );
    }
    return { ...nothing, path: `/proc/${other.state.pid}/ns/net`, sharedWith: other };
  }
  if (mode.word === 'host') return { ...nothing, path: undefined };
  const bridged = container.config.networkDisabled
    ? []
    : container.endpoints.filter((endpoint) => {
        const { driver, configOnly } = networks.get(endpoint.networkId);
        // A configuration stays in, to be refused.
        return driver !== 'null' || configOnly;
      });
  const first = bridged[0];
  if (mapped) return await allocateOnly(container, bridged, networks);
  const ns = await networks.namespace(first?.networkId);
  if (!first) {
    return { ...nothing, path: ns.path, close: () => ns.close() };
  }
  return await joinAll(container, bridged, ns, networks);
}

async function joinAll(
  container: Container,
  wanted: readonly ContainerEndpoint[],
  ns: NetworkNamespace,
  networks: Networks,
): Promise<Connection> {
  const undo = new UndoStack();
  undo.push(() => ns.close());
  try {
    const allocated = await allocateAll(container, wanted, networks, undo);
    const { endpoints, ports } = await plugAll(container, allocated, ns, networks, undo);
    undo.commit();
    return { path: ns.path, endpoints, ports, sharedWith: undefined, close: () => ns.close() };
  } catch (error) {
    await undo.unwind();
    throw error;
  }
}

/** Addresses now, for /etc/hosts; interfaces when the runtime has made the namespace. */
async function allocateOnly(
  container: Container,
  wanted: readonly ContainerEndpoint[],
  networks: Networks,
): Promise<Connection> {
  const undo = new UndoStack();
  try {
    const endpoints = withGateway(await allocateAll(container, wanted, networks, undo));
    undo.commit();
    const plug = async (pid: number) => {
      const inside = new UndoStack();
      const ns = networks.namespaceOf(pid);
      try {
        const plugged = await plugAll(container, endpoints, ns, networks, inside);
        inside.commit();
        return plugged;
      } catch (error) {
        await inside.unwind();
        throw error;
      } finally {
        ns.close();
      }
    };
    return { path: NEW_NAMESPACE, endpoints, ports: [], sharedWith: undefined, close: () => {}, plug };
  } catch (error) {
    await undo.unwind();
    throw error;
  }
}

async function allocateAll(
  container: Container,
  wanted: readonly ContainerEndpoint[],
  networks: Networks,
  undo: UndoStack,
): Promise<ContainerEndpoint[]> {
  const allocated: ContainerEndpoint[] = [];
  for (const [index, endpoint] of wanted.entries()) {
    const one = await networks.allocate(endpoint.networkId, container.id, endpoint.settings, index);
    undo.push(() => networks.release(one));
    allocated.push(one);
  }
  return allocated;
}

async function plugAll(
  container: Container,
  allocated: readonly ContainerEndpoint[],
  ns: NetworkNamespace,
  networks: Networks,
  undo: UndoStack,
): Promise<{ endpoints: ContainerEndpoint[]; ports: PublishedPort[] }> {
  const endpoints: ContainerEndpoint[] = [];
  for (const endpoint of withGateway([...allocated])) {
    const joined = await networks.join(endpoint, container.id, ns);
    undo.push(() => networks.leave(joined, container.id));
    endpoints.push(joined);
  }
  undo.push(() => networks.stopNames(container.id));
  await serveNames({ ...container, endpoints }, ns, networks);
  const way = publishingEndpoint(endpoints);
  const publications = publicationsOf(container.config, container.hostConfig);
  if (!way || publications.length === 0) return { endpoints, ports: [] };
  const ports = await networks.publish(way, container.id, publications);
  undo.push(() => networks.unpublish(way, container.id));
  return { endpoints, ports };
}

/** Names are answered inside the container's namespace while it is in a network that has names. */
export async function serveNames(
  container: Named,
  ns: NetworkNamespace,
  networks: Pick<NetworkService, 'get' | 'serveNames'>,
): Promise<void> {
  if (container.endpoints.some(hasNames)) await answerNames(container, ns, networks);
}

type Named = Pick<Container, 'id' | 'endpoints' | 'hostConfig'>;

/** Answers inside the namespace, whatever networks the container is in. */
export async function answerNames(
  { id, endpoints, hostConfig }: Named,
  ns: NetworkNamespace,
  networks: Pick<NetworkService, 'get' | 'serveNames'>,
): Promise<void> {
  const internal = endpoints.every(({ networkId }) => networks.get(networkId).internal);
  await networks.serveNames(id, ns, { servers: hostConfig.dns, internal });
}

/** Takes a container off its networks. Idempotent; returns the endpoints as they are for a stopped container. */
export async function disconnectContainer(
  container: Pick<Container, 'id' | 'endpoints' | 'ports'>,
  networks: Networks,
): Promise<ContainerEndpoint[]> {
  networks.stopNames(container.id);
  const rest: ContainerEndpoint[] = [];
  for (const endpoint of container.endpoints) {
    if (endpoint.endpointId !== '') {
      if (container.ports.length > 0) await networks.unpublish(endpoint, container.id);
      await networks.leave(endpoint, container.id);
      await networks.release(endpoint);
    }
    const network = { id: endpoint.networkId, name: endpoint.networkName };
    rest.push(restingEndpoint(network, endpoint.settings));
  }
  return rest;
}
