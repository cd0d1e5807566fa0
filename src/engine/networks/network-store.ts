import { isKind, messageOf, TareError, wrapError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import type { NameService, Upstream } from '../../netdriver/dns/dns.ts';
import { type AddressBlock, DEFAULT_BLOCKS } from '../../netdriver/ipam.ts';
import type {
  NamespacePool,
  NetworkDriver,
  NetworkNamespace,
  Publication,
} from '../../netdriver/netdriver.ts';
import { PREPARED_INTERFACE } from '../../netdriver/plug.ts';
import type { NetworkTable } from '../../store/tables/networks.ts';
import type { ContainerEndpoint, EndpointSettings, PublishedPort } from '../containers/model.ts';
import type { EventBus } from '../events/events.ts';
import { checkConfigurationUnused, configurationNetwork, configured } from './configuration.ts';
import {
  DEFAULT_BRIDGE,
  type DefaultBridge,
  defaultNetwork,
  type HostView,
  passiveNetwork,
} from './default-network.ts';
import { Endpoints, endpointSpec } from './endpoints.ts';
import { NetworkRows, sameNetwork } from './network-rows.ts';
import type { CreateNetwork, Network, NetworkService } from './networks.ts';
import { parentNetwork } from './parent-network.ts';
import { bridgeNetwork, isPredefined } from './request.ts';

export interface NetworkStoreOptions {
  readonly table: NetworkTable;
  readonly drivers: readonly NetworkDriver[];
  readonly namespaces: NamespacePool;
  readonly names: NameService;
  readonly host: HostView;
  /** Undefined: there is no network `bridge` (`--bridge none`). */
  readonly defaultBridge: DefaultBridge | undefined;
  /** Where networks get subnets that nobody named; none: the defaults. */
  readonly addressPools?: readonly AddressBlock[];
  /** MTU of networks that name none. */
  readonly defaultMtu?: number | undefined;
  readonly events: Pick<EventBus, 'emit'>;
  readonly log: Logger;
  /** For messages that name a container. */
  readonly containerName: (id: string) => string | undefined;
  /** Namespaces kept ready for the default bridge; 0 for none. */
  readonly ready?: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

const DEFAULT_READY = 3;

/**
 * The networks and what containers get of them, over the drivers. A network's row is written before its bridge is made and deleted after the bridge is gone: after a crash the
 * row decides, and `restore` makes what is missing.
 */
export class NetworkStore implements NetworkService {
  readonly #options: NetworkStoreOptions;
  readonly #drivers: ReadonlyMap<string, NetworkDriver>;
  readonly #rows: NetworkRows;
  readonly #endpoints = new Endpoints();
  readonly #mutex = new KeyedMutex();
  readonly #now: () => number;

  /** Reads the rows and adds those of the predefined networks; nothing is made in the kernel before `restore`. */
  constructor(options: NetworkStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#drivers = new Map(options.drivers.map((driver) => [driver.name, driver]));
    this.#rows = new NetworkRows(options.table);
    const { defaultBridge } = options;
    if (defaultBridge && !this.find('bridge'))
      this.#rows.save(this.#defaultNetwork(defaultBridge, undefined));
    for (const name of ['host', 'none'] as const) {
      if (!this.find(name)) this.#rows.save(passiveNetwork(name, this.#now()));
    }
  }

  find(ref: string): Network | undefined {
    return this.#rows.find(ref);
  }

  get(ref: string): Network {
    return this.#rows.get(ref);
  }

  list(): Network[] {
    return this.#rows.list();
  }

  async create(request: CreateNetwork): Promise<{ id: string; warning: string }> {
    return await this.#mutex.run('networks', async () => {
      const network = this.#planned(request);
      this.#rows.save(network);
      try {
        await this.#driver(network).createNetwork(network);
      } catch (error) {
        await this.#driver(network)
          .removeNetwork(network)
          .catch((problem: unknown) => this.#options.log.warn('undoing a network', { error: problem }));
        this.#forget(network);
        throw error;
      }
      this.#emit('create', network, {});
      return { id: network.id, warning: '' };
    });
  }

  async remove(ref: string): Promise<void> {
    await this.#mutex.run('networks', async () => {
      const network = this.get(ref);
      if (isPredefined(network.name)) {
        throw new TareError('forbidden', `${network.name} is a pre-defined network and cannot be removed`);
      }
      checkConfigurationUnused(network, this.list());
      const users = this.#endpoints.activeIn(network.id);
      if (users.length > 0) {
        const named = users.map(({ containerId }) => {
          const name = this.#options.containerName(containerId) ?? '';
          return `name:${JSON.stringify(name)} id:${JSON.stringify(containerId.slice(0, 12))}`;
        });
        throw new TareError(
          'forbidden',
          `error while removing network: network ${network.name} has active endpoints (${named.join(', ')})`,
        );
      }
      // Out of sight first, so that no container comes in while its bridge goes.
      const show = this.#rows.hide(network);
      try {
        await this.#driver(network).removeNetwork(network);
      } catch (error) {
        show();
        throw wrapError(error, 'error while removing network');
      }
      this.#options.namespaces.keepReady(network, 0);
      this.#forget(network);
      this.#emit('destroy', network, {});
    });
  }

  async allocate(
    networkRef: string,
    containerId: string,
    settings: EndpointSettings,
    index: number,
  ): Promise<ContainerEndpoint> {
    const network = this.get(networkRef);
    if (network.configOnly) {
      throw new TareError('forbidden', 'cannot create endpoint on configuration-only network');
    }
    return this.#endpoints.allocate(network, containerId, settings, index);
  }

  async release(endpoint: ContainerEndpoint): Promise<void> {
    this.#endpoints.release(endpoint.endpointId);
  }

  async namespace(networkRef: string | undefined): Promise<NetworkNamespace> {
    return await this.#options.namespaces.take(networkRef === undefined ? undefined : this.get(networkRef));
  }

  namespaceOf(pid: number): NetworkNamespace {
    return this.#options.namespaces.ofProcess(pid);
  }

  linksIn(ns: NetworkNamespace): string[] {
    return this.#options.namespaces.links(ns);
  }

  async join(
    endpoint: ContainerEndpoint,
    containerId: string,
    ns: NetworkNamespace,
  ): Promise<ContainerEndpoint> {
    const network = this.get(endpoint.networkId);
    const { prepared } = ns;
    const fits = prepared?.networkId === network.id && endpoint.interfaceName === PREPARED_INTERFACE;
    const joined = fits ? { ...endpoint, hostInterface: prepared.hostInterface } : endpoint;
    await this.#driver(network).join(network, endpointSpec(joined, containerId), ns);
    this.#emit('connect', network, { container: containerId });
    return joined;
  }

  async leave(endpoint: ContainerEndpoint, containerId: string): Promise<void> {
    const network = this.find(endpoint.networkId);
    if (!network) return;
    await this.#driver(network).leave(network, endpointSpec(endpoint, containerId));
    this.#emit('disconnect', network, { container: containerId });
  }

  async unplug(endpoint: ContainerEndpoint, containerId: string, ns: NetworkNamespace): Promise<void> {
    const network = this.find(endpoint.networkId);
    if (!network) return;
    await this.#driver(network).unplug(network, endpointSpec(endpoint, containerId), ns);
    this.#emit('disconnect', network, { container: containerId });
  }

  route(endpoint: ContainerEndpoint | undefined, ns: NetworkNamespace): void {
    const through = endpoint && {
      interfaceName: endpoint.interfaceName,
      gateways: [endpoint.gateway, endpoint.ipv6Gateway].filter((gateway) => gateway !== ''),
    };
    this.#options.namespaces.route(ns, through);
  }

  serveNames(containerId: string, ns: NetworkNamespace, upstream: Upstream): Promise<void> {
    return this.#options.names.serve(containerId, ns, upstream);
  }

  stopNames(containerId: string): void {
    this.#options.names.stop(containerId);
  }

  async publish(
    endpoint: ContainerEndpoint,
    containerId: string,
    wanted: readonly Publication[],
  ): Promise<PublishedPort[]> {
    const network = this.get(endpoint.networkId);
    if (network.internal || wanted.length === 0) return [];
    try {
      const driver = this.#driver(network);
      const published = await driver.publish(network, endpointSpec(endpoint, containerId), wanted);
      return published.map(({ protocol, containerPort, hostIp, hostPort }) => ({
        protocol,
        containerPort,
        hostIp,
        hostPort,
      }));
    } catch (error) {
      const name = this.#options.containerName(containerId) ?? containerId.slice(0, 12);
      const prefix = `driver failed programming external connectivity on endpoint ${name} (${endpoint.endpointId})`;
      // Docker answers 500 for a port that is taken: nothing about the container has to change.
      throw isKind(error, 'conflict')
        ? new TareError('exhausted', `${prefix}: ${error.message}`, error)
        : wrapError(error, prefix);
    }
  }

  async unpublish(
    endpoint: ContainerEndpoint,
    containerId: string,
    which?: readonly PublishedPort[],
  ): Promise<void> {
    const network = this.find(endpoint.networkId);
    if (!network) return;
    const ports = which?.map((port) => ({ ...port, hostPortEnd: port.hostPort }));
    await this.#driver(network).unpublish(endpointSpec(endpoint, containerId), ports);
  }

  async restore(living: Parameters<NetworkService['restore']>[0]): Promise<void> {
    const endpoints = living.flatMap(({ containerId, endpoints, ports }) =>
      endpoints
        .filter((endpoint) => endpoint.endpointId !== '')
        .map((endpoint) => ({ containerId, endpoint, ports: endpoint.defaultGateway ? ports : [] })),
    );
    await this.#reconfigureDefault(endpoints.some(({ endpoint }) => endpoint.networkName === 'bridge'));
    for (const { containerId, endpoint } of endpoints) this.#claim(endpoint, containerId);
    for (const driver of this.#drivers.values()) {
      const networks = this.list().filter((network) => network.driver === driver.name);
      await driver.restore(
        networks.map((network) => ({
          network,
          endpoints: endpoints
            .filter(({ endpoint }) => endpoint.networkId === network.id)
            .map(({ containerId, endpoint, ports }) => ({
              endpoint: endpointSpec(endpoint, containerId),
              publications: ports.map((port) => ({ ...port, hostPortEnd: port.hostPort })),
            })),
        })),
      );
    }
    const ready = this.#options.ready ?? DEFAULT_READY;
    const bridge = this.find('bridge');
    if (bridge && ready > 0) this.#options.namespaces.keepReady(bridge, ready);
  }

  async close(): Promise<void> {
    this.#options.names.close();
    await this.#options.namespaces.close();
    for (const driver of this.#drivers.values()) await driver.close();
  }

  /** The default network follows the configuration and the host's routes, unless containers are in it. */
  async #reconfigureDefault(inUse: boolean): Promise<void> {
    const { defaultBridge, log } = this.#options;
    const before = this.find('bridge');
    if (!before) return;
    if (inUse) {
      const [subnet] = before.subnets;
      const bip = `${subnet?.gateway}/${subnet?.subnet.split('/')[1]}`;
      if (defaultBridge?.link !== before.bridgeName || (defaultBridge.bip && defaultBridge.bip !== bip)) {
        log.warn('the default bridge keeps its old settings until tare starts without containers in it');
      }
      return;
    }
    const after = defaultBridge && this.#defaultNetwork(defaultBridge, before);
    if (after && sameNetwork(after, before)) return;
    const place = (network: Network): string => JSON.stringify([network.bridgeName, network.subnets]);
    if (!after || place(after) !== place(before)) {
      try {
        await this.#driver(before).removeNetwork(before);
      } catch (error) {
        log.warn('the old default bridge could not be removed', { error: messageOf(error) });
      }
      this.#forget(before);
    }
    if (after) this.#rows.save(after);
  }

  #defaultNetwork(wanted: DefaultBridge, before: Network | undefined): Network {
    const others = this.list().filter((network) => network.id !== before?.id);
    const { host } = this.#options;
    return defaultNetwork(wanted, before, host, this.#subnetsOf(others), this.#now(), this.#pools.pools);
  }

  get #pools(): { pools?: readonly AddressBlock[] } {
    const { addressPools = [] } = this.#options;
    if (addressPools.length === 0) return {};
    // Pools of IPv6 only leave those of IPv4 as they are.
    const own = addressPools.some(({ base }) => !base.includes(':'));
    return { pools: own ? addressPools : [...addressPools, ...DEFAULT_BLOCKS] };
  }

  /** What is in use; a configuration uses nothing. */
  #subnetsOf(networks: readonly Network[]): string[] {
    return networks.flatMap(({ configOnly, subnets }) => (configOnly ? [] : subnets.map((it) => it.subnet)));
  }

  #planned(asked: CreateNetwork): Network {
    const { name } = asked;
    if (name.trim() === '') throw new TareError('invalid', 'invalid name: name is empty');
    if (isPredefined(name) || name.startsWith('container:')) {
      throw new TareError('forbidden', `operation is not permitted on predefined ${name} network`);
    }
    for (const network of this.list()) {
      if (network.name === name) throw new TareError('conflict', `network with name ${name} already exists`);
    }
    if (asked.configOnly) return configurationNetwork(asked, this.#now());
    const request = configured(asked, (ref) => this.find(ref));
    const driver = request.driver || 'bridge';
    if (driver === 'host' || driver === 'null') {
      throw new TareError('forbidden', `only one instance of "${driver}" network is allowed`);
    }
    if (!this.#drivers.has(driver))
      throw new TareError('not-found', `plugin ${JSON.stringify(driver)} not found`);
    if (request.ipamDriver && request.ipamDriver !== 'default') {
      throw new TareError('not-found', `plugin ${JSON.stringify(request.ipamDriver)} not found`);
    }
    const all = this.list();
    const bridgeNames = all.flatMap((network) => network.bridgeName || []);
    const around = {
      own: this.#subnetsOf(all),
      host: () => this.#options.host.taken(bridgeNames),
      bridgeNames,
      defaultMtu: this.#options.defaultMtu ?? DEFAULT_BRIDGE.mtu,
      ...this.#pools,
    };
    return driver === 'macvlan' || driver === 'ipvlan'
      ? parentNetwork(driver, request, around, all, this.#now())
      : bridgeNetwork(request, around, this.#now());
  }

  #driver(network: Network): NetworkDriver {
    const driver = this.#drivers.get(network.driver);
    if (!driver) throw new TareError('not-found', `plugin ${JSON.stringify(network.driver)} not found`);
    return driver;
  }

  #claim(endpoint: ContainerEndpoint, containerId: string): void {
    const { log } = this.#options;
    const network = this.find(endpoint.networkId);
    if (!network) {
      log.warn('a container is in a network that is gone', { container: containerId });
      return;
    }
    for (const address of this.#endpoints.claim(network, endpoint, containerId)) {
      log.warn('two containers have the same address', { container: containerId, address });
    }
  }

  #forget(network: Network): void {
    this.#rows.forget(network);
    this.#endpoints.forgetNetwork(network.id);
  }

  #emit(action: string, network: Network, attributes: Record<string, string>): void {
    this.#options.events.emit({
      type: 'network',
      action,
      id: network.id,
      attributes: { ...attributes, name: network.name, type: network.driver },
    });
  }
}
