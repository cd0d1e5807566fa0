import { messageOf, TareError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Errno, SyscallError } from '../kernel/errno.ts';
import { closeFd, newNetworkNamespace } from '../kernel/namespaces.ts';
import { findLink, type Link } from '../kernel/netlink/links.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import {
  type IPVLAN_FLAGS,
  type IPVLAN_MODES,
  type MACVLAN_MODES,
  newStackedLink,
  probeKind,
  type Stacking,
} from '../kernel/netlink/stacked-links.ts';
import { configureEndpoint } from './endpoint-interface.ts';
import type {
  EndpointSpec,
  NetworkDriver,
  NetworkNamespace,
  NetworkSpec,
  ParentSpec,
  Publication,
} from './netdriver.ts';
import { ensureParent, isOurs } from './parent-links.ts';

/**
 * The kernel takes links down some time after the namespace that they were in: a container that starts again finds its own
 * address taken until then. Milliseconds.
 */
const LINGERING = 3000;

/**
 * Networks whose endpoints are links on a link of the host (macvlan, ipvlan): containers are neighbours in the network
 * that the host's link is in, the host itself does not see what they say. There is nothing on the host's side of an
 * endpoint, and no rule: ports cannot be published, whoever is in that network reaches all of them.
 */
export class StackedDriver implements NetworkDriver {
  readonly name: 'macvlan' | 'ipvlan';
  readonly #route: NetlinkSocket;
  readonly #log: Logger;
  readonly #networks = new Map<string, ParentSpec>();

  constructor(name: 'macvlan' | 'ipvlan', options: { route: NetlinkSocket; log: Logger }) {
    this.name = name;
    this.#route = options.route;
    this.#log = options.log;
  }

  async createNetwork(network: NetworkSpec): Promise<void> {
    this.#probe();
    const parent = parentOf(network);
    const link = ensureParent(this.#route, network, parent);
    this.#networks.set(network.id, parent);
    this.#tryOut(link, network, parent);
  }

  async removeNetwork(network: NetworkSpec): Promise<void> {
    this.#networks.delete(network.id);
    const { link: name } = parentOf(network);
    if ([...this.#networks.values()].some(({ link }) => link === name)) return;
    const link = findLink(this.#route, name);
    if (link && isOurs(link)) await runIp(['link', 'delete', 'dev', name]);
  }

  async join(network: NetworkSpec, endpoint: EndpointSpec, ns: NetworkNamespace): Promise<void> {
    const deadline = Date.now() + LINGERING;
    for (;;) {
      try {
        await this.#joinNow(network, endpoint, ns);
        return;
      } catch (error) {
        const lingers = error instanceof SyscallError && error.errno === Errno.EADDRINUSE;
        if (!lingers || Date.now() > deadline) {
          throw this.#explained(error, network, parentOf(network));
        }
        await Bun.sleep(10);
      }
    }
  }

  async #joinNow(network: NetworkSpec, endpoint: EndpointSpec, ns: NetworkNamespace): Promise<void> {
    const parent = parentOf(network);
    // Somebody may have taken away what we made since.
    const link = ensureParent(this.#route, network, parent);
    this.#route.execute([
      newStackedLink({
        name: endpoint.interfaceName,
        parent: link.index,
        namespace: ns.fd,
        stacking: stackingOf(this.name, parent),
        ...(this.name === 'macvlan' ? { mac: endpoint.macAddress } : {}),
        ...(network.mtu > 0 ? { mtu: network.mtu } : {}),
      }),
    ]);
    try {
      configureEndpoint(network, endpoint, ns, false);
    } catch (error) {
      await this.unplug(network, endpoint, ns);
      throw error;
    }
  }

  /** The link goes with its namespace. */
  async leave(): Promise<void> {}

  async unplug(_network: NetworkSpec, endpoint: EndpointSpec, ns: NetworkNamespace): Promise<void> {
    const socket = NetlinkSocket.open(NetlinkProtocol.ROUTE, ns.fd);
    try {
      if (findLink(socket, endpoint.interfaceName)?.kind !== this.name) return;
    } finally {
      socket.close();
    }
    // In a process of its own: the kernel takes 10 ms or more for it.
    await runIp(['link', 'delete', 'dev', endpoint.interfaceName], ns.path);
  }

  /** Docker takes such wishes and does nothing. */
  async publish(_network: unknown, _endpoint: unknown, _wanted: unknown): Promise<Publication[]> {
    return [];
  }

  async unpublish(): Promise<void> {}

  async restore(networks: ReadonlyArray<{ network: NetworkSpec }>): Promise<void> {
    for (const { network } of networks) {
      try {
        const parent = parentOf(network);
        this.#networks.set(network.id, parent);
        ensureParent(this.#route, network, parent);
      } catch (error) {
        // The parent may come later, with a VPN or a USB adapter.
        this.#log.warn('the parent of a network is missing', {
          network: network.name,
          error: messageOf(error),
        });
      }
    }
  }

  async close(): Promise<void> {}

  /** Makes an endpoint's link that nobody uses, so that a parent which can carry none is refused at once. */
  #tryOut(link: Link, network: NetworkSpec, parent: ParentSpec): void {
    // The kernel takes it down a little later: in mode passthru the first container could find the place taken.
    if (parent.mode === 'passthru') return;
    const namespace = newNetworkNamespace();
    try {
      const stacking = stackingOf(this.name, parent);
      const mtu = network.mtu > 0 ? { mtu: network.mtu } : {};
      this.#route.execute([
        newStackedLink({ name: 'eth0', parent: link.index, namespace, stacking, ...mtu }),
      ]);
    } catch (error) {
      throw this.#explained(error, network, parent);
    } finally {
      closeFd(namespace);
    }
  }

  /** Throws `not-implemented` on a kernel without such links. */
  #probe(): void {
    try {
      this.#route.execute([probeKind(this.name)]);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== Errno.EOPNOTSUPP) return;
      throw new TareError(
        'not-implemented',
        `this kernel has no ${this.name} (CONFIG_${this.name.toUpperCase()}, module ${this.name}): use another driver`,
        error,
      );
    }
  }

  #explained(error: unknown, network: NetworkSpec, parent: ParentSpec): unknown {
    if (!(error instanceof SyscallError)) return error;
    const fail = (kind: 'conflict' | 'invalid' | 'unavailable', message: string) =>
      new TareError(kind, message, error);
    switch (error.errno) {
      case Errno.EBUSY:
        return fail(
          'conflict',
          `the parent ${parent.link} of network ${network.name} is in use by another kind of link`,
        );
      case Errno.ENETDOWN:
        return fail(
          'unavailable',
          `the parent ${parent.link} of network ${network.name} is down: ip link set ${parent.link} up`,
        );
      case Errno.EADDRINUSE:
        return fail('conflict', `the MAC address is in use on ${parent.link}`);
      case Errno.EINVAL:
        return parent.mode === 'passthru'
          ? fail(
              'conflict',
              `a macvlan network in mode passthru takes one container: ${parent.link} has one already`,
            )
          : error;
      default:
        return error;
    }
  }
}

function parentOf(network: NetworkSpec): ParentSpec {
  if (!network.parent) throw new TareError('internal', `network ${network.name} has no parent`);
  return network.parent;
}

function stackingOf(kind: 'macvlan' | 'ipvlan', { mode, flag = 'bridge' }: ParentSpec): Stacking {
  return kind === 'macvlan'
    ? { kind, mode: mode as keyof typeof MACVLAN_MODES }
    : { kind, mode: mode as keyof typeof IPVLAN_MODES, flag: flag as keyof typeof IPVLAN_FLAGS };
}

/** Runs ip(8), in the namespace at `path` or here. What is gone already is fine. */
async function runIp(args: readonly string[], path?: string): Promise<void> {
  const prefix = path === undefined ? [] : ['nsenter', `--net=${path}`];
  const child = Bun.spawn([...prefix, 'ip', ...args], { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' });
  const [problem, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0 && !/Cannot find device/.test(problem)) {
    throw new TareError('internal', `ip ${args.join(' ')} failed: ${problem.trim()}`);
  }
}
