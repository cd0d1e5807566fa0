import { UndoStack } from '../../base/dispose.ts';
import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { checkEndpointSettings } from '../networks/endpoint-settings.ts';
import type { Network, NetworkService } from '../networks/networks.ts';
import { serveNames } from './container-network.ts';
import type { ContainerSet } from './container-set.ts';
import { freeInterfaceIndex, publishingEndpoint, restingEndpoint, withGateway } from './endpoints.ts';
import { isAlive } from './lifecycle.ts';
import type { Container, ContainerEndpoint, EndpointSettings, PublishedPort } from './model.ts';
import { networkMode } from './modes.ts';
import { publicationsOf } from './port-requests.ts';

/** What changing a container's networks takes. */
export interface NetworkChangesParts {
  readonly set: ContainerSet;
  readonly networks: NetworkService;
  /** Runs `body` while no other operation changes the container. */
  readonly exclusive: <T>(id: string, body: () => Promise<T>) => Promise<T>;
  /** Brings the container's /etc/hosts and /etc/resolv.conf in line with its endpoints. */
  readonly rewriteFiles: (before: Container, after: Container) => void;
  readonly log: Logger;
}

/** Takes containers into networks and out of them, running or not. */
export class NetworkChanges {
  readonly #parts: NetworkChangesParts;

  constructor(parts: NetworkChangesParts) {
    this.#parts = parts;
  }

  /**
   * Adds an endpoint. Throws `invalid` for modes that allow none and bad settings, `forbidden` when it is in the
   * network already, `exhausted` without a free address.
   */
  async connect(networkRef: string, containerRef: string, settings: EndpointSettings): Promise<void> {
    const { set, networks, exclusive } = this.#parts;
    await exclusive(set.get(containerRef).id, async () => {
      const network = networks.get(networkRef);
      const container = set.get(containerRef);
      checkConnectable(container, network);
      if (container.endpoints.some(({ networkId }) => networkId === network.id)) {
        throw new TareError(
          'forbidden',
          `endpoint with name ${container.name} already exists in network ${network.name}`,
        );
      }
      checkEndpointSettings(network, settings);
      if (isAlive(container.state)) await this.#plug(container, network, settings);
      else {
        set.update(container.id, {
          endpoints: [...container.endpoints, restingEndpoint(network, settings)],
        });
      }
    });
  }

  /** Removes an endpoint. Throws `forbidden` when there is none; with `force` a container that is gone is fine. */
  async disconnect(networkRef: string, containerRef: string, force: boolean): Promise<void> {
    const { set, networks, exclusive } = this.#parts;
    const network = networks.get(networkRef);
    const known = set.find(containerRef);
    if (!known && force) return;
    await exclusive(set.get(containerRef).id, async () => {
      const container = set.get(containerRef);
      if (networkMode(container.hostConfig.networkMode).kind === 'word' && network.name === 'host') {
        throw new TareError(
          'invalid',
          'container cannot be disconnected from host network or connected to host network',
        );
      }
      const endpoint = container.endpoints.find(({ networkId }) => networkId === network.id);
      if (!endpoint) {
        throw new TareError(
          'forbidden',
          `container ${container.id} is not connected to network ${network.name}`,
        );
      }
      if (isAlive(container.state)) await this.#unplug(container, endpoint);
      else {
        set.update(container.id, {
          endpoints: container.endpoints.filter((other) => other !== endpoint),
        });
      }
    });
  }

  async #plug(container: Container, network: Network, settings: EndpointSettings): Promise<void> {
    const { set, networks, log } = this.#parts;
    const { id } = container;
    const undo = new UndoStack();
    const ns = networks.namespaceOf(container.state.pid);
    try {
      const index = freeInterfaceIndex(container.endpoints);
      const allocated = await networks.allocate(network.id, id, settings, index);
      undo.push(() => networks.release(allocated));
      const joined = await networks.join(allocated, id, ns);
      undo.push(() => networks.unplug(joined, id, ns));
      const endpoints = withGateway([...container.endpoints, joined]);
      const ports = await this.#moveGateway(container, endpoints, ns);
      const after = set.update(id, { endpoints, ports });
      undo.commit();
      await serveNames(after, ns, networks);
      this.#parts.rewriteFiles(container, after);
    } catch (error) {
      await undo.unwind((failure) => log.warn('undo of a failed connect', { id, error: failure }));
      throw error;
    } finally {
      ns.close();
    }
  }

  async #unplug(container: Container, endpoint: ContainerEndpoint): Promise<void> {
    const { set, networks } = this.#parts;
    const { id } = container;
    const ns = networks.namespaceOf(container.state.pid);
    try {
      const rest = withGateway(container.endpoints.filter((other) => other !== endpoint));
      await networks.unplug(endpoint, id, ns);
      const ports = await this.#moveGateway(container, rest, ns);
      const after = set.update(id, { endpoints: rest, ports });
      // Only now: until the row says so, a daemon that comes back would claim the address.
      await networks.release(endpoint);
      await serveNames(after, ns, networks);
      this.#parts.rewriteFiles(container, after);
    } finally {
      ns.close();
    }
  }

  /** Leads default routes and published ports through the endpoint that is chosen now, if it is another one. */
  async #moveGateway(
    container: Container,
    after: readonly ContainerEndpoint[],
    ns: ReturnType<NetworkService['namespaceOf']>,
  ): Promise<PublishedPort[]> {
    const { networks } = this.#parts;
    const old = publishingEndpoint(container.endpoints);
    const chosen = publishingEndpoint(after);
    const ports = [...container.ports];
    if (old?.endpointId === chosen?.endpointId) return ports;
    networks.route(chosen, ns);
    // Without a way out nothing was published.
    if (!old && chosen) {
      return await networks.publish(
        chosen,
        container.id,
        publicationsOf(container.config, container.hostConfig),
      );
    }
    if (ports.length === 0) return ports;
    if (old) await networks.unpublish(old, container.id);
    if (!chosen) return [];
    const same = ports.map((port) => ({ ...port, hostPortEnd: port.hostPort }));
    return await networks.publish(chosen, container.id, same);
  }
}

/** Throws Docker's words for what can never be in that network. */
function checkConnectable(container: Container, network: Network): void {
  const mode = networkMode(container.hostConfig.networkMode);
  const { status } = container.state;
  if (status === 'removing' || status === 'dead') {
    throw new TareError(
      'conflict',
      `container ${container.id} is marked for removal and cannot be connected or disconnected to the network`,
    );
  }
  if (network.name === 'host') {
    throw new TareError(
      'invalid',
      'container cannot be disconnected from host network or connected to host network',
    );
  }
  if (mode.kind === 'container' || mode.word === 'host') {
    throw new TareError(
      'invalid',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  const isPrivate = container.endpoints.some(({ networkName }) => networkName === 'none');
  if (isPrivate || (network.name === 'none' && container.endpoints.length > 0)) {
    throw new TareError(
      'invalid',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}
