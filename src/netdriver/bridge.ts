import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { addAddress } from '../kernel/netlink/addresses.ts';
import { findLink, type Link, listLinks, newBridge, setLink } from '../kernel/netlink/links.ts';
import type { NetlinkRequest, NetlinkSocket } from '../kernel/netlink/socket.ts';
import { parseCidr } from './addressing.ts';
import { configureEndpoint } from './endpoint-interface.ts';
import type {
  EndpointSpec,
  NetworkDriver,
  NetworkNamespace,
  NetworkSpec,
  Publication,
  RestoredEndpoint,
} from './netdriver.ts';
import { HOST_INTERFACE, PREPARED_INTERFACE, plug, whenNotFull } from './plug.ts';
import type { PublishedPorts } from './published-ports.ts';

/** A link that is still there this long after its endpoint left is taken away. */
const LEFTOVER_MS = 1000;

/**
 * Networks as Linux bridges: the bridge has the gateway's address, each endpoint is a pair of links between the
 * bridge and the container's namespace. Rules and published ports are `PublishedPorts`' part.
 */
export class BridgeDriver implements NetworkDriver {
  readonly name = 'bridge';
  readonly #route: NetlinkSocket;
  readonly #ports: PublishedPorts;
  readonly #log: Logger;
  readonly #leaving = new Set<string>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: { route: NetlinkSocket; ports: PublishedPorts; log: Logger }) {
    this.#route = options.route;
    this.#ports = options.ports;
    this.#log = options.log;
  }

  async createNetwork(network: NetworkSpec): Promise<void> {
    this.#makeBridge(network);
    await this.#ports.addNetwork(network);
  }

  async removeNetwork(network: NetworkSpec): Promise<void> {
    const link = findLink(this.#route, network.bridgeName);
    await Promise.all([
      this.#ports.removeNetwork(network.id),
      this.#deleteLinks(link?.kind === 'bridge' ? [network.bridgeName] : []),
    ]);
  }

  async join(network: NetworkSpec, endpoint: EndpointSpec, ns: NetworkNamespace): Promise<void> {
    const prepared =
      ns.prepared?.hostInterface === endpoint.hostInterface && endpoint.interfaceName === PREPARED_INTERFACE;
    if (!prepared) {
      const peer = { name: endpoint.interfaceName, namespace: ns.fd, mac: endpoint.macAddress };
      await whenNotFull(network, () => plug(this.#route, network, endpoint.hostInterface, peer));
    }
    this.#leaving.delete(endpoint.hostInterface);
    configureEndpoint(network, endpoint, ns, prepared);
  }

  /**
   * The kernel takes the links down with the namespace, which is some tens of milliseconds after its last process
   * ended (*measured*: 60 ms for 50), while removing one by hand blocks for 10 to 25 ms. So this only looks again
   * a little later, for the namespace that another container shares.
   */
  async leave(_network: NetworkSpec, endpoint: EndpointSpec): Promise<void> {
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
    return await this.#ports.publish(network, endpoint, wanted);
  }

  async unpublish(endpoint: EndpointSpec, which?: readonly Publication[]): Promise<void> {
    await this.#ports.unpublish(endpoint, which);
  }

  async restore(
    networks: ReadonlyArray<{ network: NetworkSpec; endpoints: readonly RestoredEndpoint[] }>,
  ): Promise<void> {
    const living = new Set<string>();
    for (const { network, endpoints } of networks) {
      for (const { endpoint } of endpoints) living.add(endpoint.hostInterface);
      try {
        this.#makeBridge(network);
      } catch (error) {
        // One network that cannot be made must not keep the others, and the daemon, away.
        this.#log.error('the bridge of a network could not be made', { network: network.name, error });
      }
    }
    await this.#ports.restore(networks);
    const names = new Set(networks.map(({ network }) => network.bridgeName));
    const links = listLinks(this.#route);
    const bridges = new Set(links.filter((link) => names.has(link.name)).map((link) => link.index));
    this.#plugAgain(networks, links);
    await this.#deleteLinks(
      links
        .filter((link) => bridges.has(link.master) && link.kind === 'veth')
        .filter((link) => HOST_INTERFACE.test(link.name) && !living.has(link.name))
        .map((link) => link.name),
    );
  }

  async close(): Promise<void> {
    clearTimeout(this.#sweeper);
    await this.#ports.close();
  }

  /** Somebody may have removed a bridge while the daemon was away: its ports are then plugged into nothing. */
  #plugAgain(
    networks: ReadonlyArray<{ network: NetworkSpec; endpoints: readonly RestoredEndpoint[] }>,
    links: readonly Link[],
  ): void {
    const byName = new Map(links.map((link) => [link.name, link]));
    for (const { network, endpoints } of networks) {
      const bridge = byName.get(network.bridgeName);
      for (const { endpoint } of endpoints) {
        const link = byName.get(endpoint.hostInterface);
        if (!bridge || !link || link.master === bridge.index) continue;
        try {
          this.#route.execute([setLink(link.index, { master: bridge.index })]);
        } catch (error) {
          this.#log.error('a container could not be plugged in again', {
            container: endpoint.containerId,
            error,
          });
        }
      }
    }
  }

  #makeBridge(network: NetworkSpec): void {
    let link = findLink(this.#route, network.bridgeName);
    if (link && link.kind !== 'bridge') {
      throw new TareError('conflict', `the link ${network.bridgeName} exists and is not a bridge`);
    }
    if (!link) {
      this.#route.execute([
        newBridge(network.bridgeName),
        // Without an address of its own a bridge changes it whenever the lowest of its ports' changes.
        setLink(network.bridgeName, { mac: randomMac(), mtu: network.mtu }),
      ]);
      link = findLink(this.#route, network.bridgeName);
    }
    if (!link) throw new TareError('internal', `the bridge ${network.bridgeName} vanished while it was made`);
    this.#configureBridge(network, link);
  }

  #configureBridge(network: NetworkSpec, link: Link): void {
    const requests: NetlinkRequest[] = [];
    const ipv6 = network.subnets.some((subnet) => parseCidr(subnet.subnet).bits === 128);
    if (!ipv6) requests.push(setLink(link.index, { noLinkLocal: true }));
    for (const subnet of network.subnets) {
      if (!subnet.gateway) continue;
      requests.push(addAddress(link.index, `${subnet.gateway}/${parseCidr(subnet.subnet).prefix}`));
    }
    requests.push(setLink(link.index, { up: true }));
    this.#route.execute(requests);
    // Lets 127.0.0.1:PORT of the host lead into the bridge; our rules drop loopback addresses that come out of it.
    writeSysctl(`net/ipv4/conf/${network.bridgeName}/route_localnet`, '1');
    if (!network.internal) {
      writeSysctl('net/ipv4/ip_forward', '1');
      if (ipv6) writeSysctl('net/ipv6/conf/all/forwarding', '1');
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
    const left = new Set(listLinks(this.#route).map((link) => link.name));
    for (const name of names)
      if (left.has(name)) this.#log.warn('a link could not be removed', { link: name });
  }
}

function randomMac(): string {
  return ['02', '42', ...(randomBytes(4).toString('hex').match(/../g) ?? [])].join(':');
}

/** Writes a setting below /proc/sys unless it has that value; the daemon may not be allowed to, but need not. */
function writeSysctl(name: string, value: string): void {
  const path = `/proc/sys/${name}`;
  if (!existsSync(path) || readFileSync(path, 'utf8').trim() === value) return;
  try {
    writeFileSync(path, value);
  } catch (error) {
    throw new TareError(
      'internal',
      `cannot set ${name.replaceAll('/', '.')} to ${value}; set it yourself`,
      error,
    );
  }
}
