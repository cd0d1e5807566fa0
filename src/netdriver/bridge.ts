import type { Logger } from '../base/log.ts';
import { findLink, listLinks, setLink, shutPort } from '../kernel/netlink/links.ts';
import type { NetlinkSocket } from '../kernel/netlink/socket.ts';
import type { BridgeGroups } from './bridge-groups.ts';
import { makeBridge } from './bridge-link.ts';
import { configureEndpoint } from './endpoint-interface.ts';
import type { Firewall } from './firewall.ts';
import type {
  EndpointSpec,
  NetworkDriver,
  NetworkNamespace,
  NetworkSpec,
  Publication,
  RestoredEndpoint,
} from './netdriver.ts';
import { HOST_INTERFACE, PREPARED_INTERFACE, plugAgain } from './plug.ts';
import type { PublishedPorts } from './published-ports.ts';
import { gatewayMode, RoutedPorts } from './routed-ports.ts';
import type { RuledNetwork } from './ruled-network.ts';

type Restored = ReadonlyArray<{ network: NetworkSpec; endpoints: readonly RestoredEndpoint[] }>;

/** A link that is still there this long after its endpoint left is taken away. */
const LEFTOVER_MS = 1000;

/**
 * Networks as Linux bridges: the bridge has the gateway's address, each endpoint is a pair of links between the
 * bridge and the container's namespace. Rules and published ports are `PublishedPorts`' part.
 */
export class BridgeDriver implements NetworkDriver {
  readonly name = 'bridge';
  readonly #route: NetlinkSocket;
  readonly #bridges: BridgeGroups;
  readonly #ports: PublishedPorts;
  readonly #firewall: Firewall;
  readonly #routed: RoutedPorts;
  readonly #log: Logger;
  readonly #leaving = new Set<string>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: {
    route: NetlinkSocket;
    bridges: BridgeGroups;
    ports: PublishedPorts;
    firewall: Firewall;
    log: Logger;
  }) {
    this.#route = options.route;
    this.#bridges = options.bridges;
    this.#ports = options.ports;
    this.#firewall = options.firewall;
    this.#routed = new RoutedPorts(options.firewall);
    this.#log = options.log;
    this.#bridges.onGrowth = async (network) => {
      this.#log.info('a network got a further bridge', { network: network.name });
      await this.#ports.addNetwork(this.#ruled(network));
    };
  }

  async createNetwork(network: NetworkSpec): Promise<void> {
    if (makeBridge(this.#route, network)) this.#bridges.begin(network);
    await this.#ports.addNetwork(this.#ruled(network));
  }

  async removeNetwork(network: NetworkSpec): Promise<void> {
    const isBridge = findLink(this.#route, network.bridgeName)?.kind === 'bridge';
    const links = this.#bridges.end(network).filter((name) => isBridge || name !== network.bridgeName);
    await Promise.all([this.#ports.removeNetwork(network.id), this.#deleteLinks(links)]);
  }

  /** The network as the rules know it. */
  #ruled(network: NetworkSpec): RuledNetwork {
    const [, ...furtherBridges] = this.#bridges.bridgesOf(network);
    return furtherBridges.length > 0 ? { ...network, furtherBridges } : network;
  }

  async join(network: NetworkSpec, endpoint: EndpointSpec, ns: NetworkNamespace): Promise<void> {
    const prepared =
      ns.prepared?.hostInterface === endpoint.hostInterface && endpoint.interfaceName === PREPARED_INTERFACE;
    if (!prepared) {
      const peer = { name: endpoint.interfaceName, namespace: ns.fd, mac: endpoint.macAddress };
      await this.#bridges.plug(network, endpoint.hostInterface, peer);
    }
    this.#leaving.delete(endpoint.hostInterface);
    configureEndpoint(network, endpoint, ns, prepared);
  }

  /**
   * The kernel takes the links down with the namespace, which is some tens of milliseconds after its last process
   * ended (*measured*: 60 ms for 50), while removing one by hand blocks for 10 to 25 ms. So this only shuts its port of the
   * bridge, since the next to have the address may come at once and its neighbours must not hear a refusal from here; and it
   * looks again a little later, for the namespace that another container shares.
   */
  async leave(_network: NetworkSpec, endpoint: EndpointSpec): Promise<void> {
    const link = findLink(this.#route, endpoint.hostInterface);
    if (link === undefined) return;
    this.#route.execute([shutPort(link.index)]);
    this.#leaving.add(endpoint.hostInterface);
    this.#sweeper ??= setTimeout(() => this.#sweep(), LEFTOVER_MS);
  }

  async unplug(_network: NetworkSpec, endpoint: EndpointSpec): Promise<void> {
    this.#leaving.delete(endpoint.hostInterface);
    if (findLink(this.#route, endpoint.hostInterface)) await this.#deleteLinks([endpoint.hostInterface]);
  }

  async publish(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    wanted: readonly Publication[],
  ): Promise<Publication[]> {
    if (wanted.length === 0) return [];
    // Where bridged frames pass the IP hooks (bridge-nf-call-iptables), a container that calls its own published
    // port gets its frame back on the port it sent it from. Only then: a hairpin port hears its own broadcasts.
    this.#route.execute([setLink(endpoint.hostInterface, { hairpin: true })]);
    const { routed, rest } = await this.#routed.open(network, endpoint, wanted);
    if (rest.length === 0) return routed;
    const ipv4 = gatewayMode(network, 'ipv4') === 'routed' ? '' : endpoint.ipv4;
    try {
      return [...routed, ...(await this.#ports.publish(network, { ...endpoint, ipv4 }, rest))];
    } catch (error) {
      await this.#routed.close(endpoint, routed);
      throw error;
    }
  }

  async unpublish(endpoint: EndpointSpec, which?: readonly Publication[]): Promise<void> {
    await this.#routed.close(endpoint, which);
    await this.#ports.unpublish(endpoint, which);
  }

  async restore(networks: Restored): Promise<void> {
    const living = new Set<string>();
    const before = listLinks(this.#route);
    for (const { network, endpoints } of networks) {
      for (const { endpoint } of endpoints) living.add(endpoint.hostInterface);
      try {
        makeBridge(this.#route, network);
        this.#bridges.restore(network, before);
      } catch (error) {
        // One network that cannot be made must not keep the others, and the daemon, away.
        this.#log.error('the bridge of a network could not be made', { network: network.name, error });
      }
    }
    const ruled = networks.map((entry) => ({ ...entry, network: this.#ruled(entry.network) }));
    const rest = this.#routed.restore(ruled);
    await this.#firewall.setRouted(this.#routed.ports());
    await this.#ports.restore(rest);
    await this.#plugAgain(networks);
    await this.#clearLeftovers(networks, living);
  }

  /** Links of endpoints that are gone, and further bridges that nobody is in. */
  async #clearLeftovers(networks: Restored, living: ReadonlySet<string>): Promise<void> {
    const links = listLinks(this.#route);
    const names = new Set(networks.flatMap(({ network }) => this.#bridges.bridgesOf(network)));
    const bridges = new Set(links.filter((link) => names.has(link.name)).map((link) => link.index));
    const dead = links.filter(
      ({ master, kind, name }) =>
        bridges.has(master) && kind === 'veth' && HOST_INTERFACE.test(name) && !living.has(name),
    );
    const rest = links.filter((link) => !dead.includes(link));
    const empty = networks.flatMap(({ network }) => this.#bridges.emptyOnes(network, rest));
    await this.#deleteLinks([...dead.map(({ name }) => name), ...empty]);
  }

  async close(): Promise<void> {
    clearTimeout(this.#sweeper);
    await this.#ports.close();
  }

  /** Somebody may have removed a bridge while the daemon was away: its ports are then plugged into nothing. */
  async #plugAgain(networks: Restored): Promise<void> {
    const byName = new Map(listLinks(this.#route).map((link) => [link.name, link]));
    for (const { network, endpoints } of networks) {
      const indexes = new Set(this.#bridges.bridgesOf(network).map((name) => byName.get(name)?.index));
      for (const { endpoint } of endpoints) {
        const link = byName.get(endpoint.hostInterface);
        if (!link || indexes.has(link.master)) continue;
        try {
          plugAgain(this.#route, await this.#bridges.place(network), network, link);
        } catch (error) {
          this.#log.error('a container could not be plugged in again', {
            container: endpoint.containerId,
            error,
          });
        }
      }
    }
  }

  #sweep(): void {
    this.#sweeper = undefined;
    const gone = [...this.#leaving];
    this.#leaving.clear();
    try {
      const links = new Set(listLinks(this.#route).map((link) => link.name));
      void this.#deleteLinks(gone.filter((name) => links.has(name)));
    } catch (error) {
      this.#log.warn('links of ended containers could not be listed', { error });
    }
  }

  /** Removes links in a process of its own: the kernel takes 10 to 50 ms for each, too long for this thread. */
  async #deleteLinks(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const batch = names.map((name) => `link delete dev ${name}\n`).join('');
    const child = Bun.spawn(['ip', '-force', '-batch', '-'], {
      stdin: Buffer.from(batch),
      stdout: 'ignore',
      stderr: 'ignore',
    });
    await child.exited;
    for (const name of names)
      if (findLink(this.#route, name)) this.#log.warn('a link could not be removed', { link: name });
  }
}
