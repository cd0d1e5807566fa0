import { writeFileSync } from 'node:fs';
import { isKind, TareError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { codeOf } from '../kernel/errno.ts';
import { closeFd, insideNetwork, newNetworkNamespace, openFd } from '../kernel/namespaces.ts';
import { findLink, listLinks, setLink } from '../kernel/netlink/links.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import type { BridgeGroups } from './bridge-groups.ts';
import { replaceDefaultRoutes } from './default-route.ts';
import type { DefaultRoute, NamespacePool, NetworkNamespace, NetworkSpec } from './netdriver.ts';
import { newHostInterface, PREPARED_INTERFACE } from './plug.ts';

/** `lo` is the first link of every namespace. */
const LOOPBACK = 1;
/** After a take, before more are made: the start that took one comes first. */
const REFILL_DELAY_MS = 20;
const REFILL_STEP_MS = 3;
class HeldNamespace implements NetworkNamespace {
  readonly path: string;
  readonly fd: number;
  readonly prepared?: { readonly networkId: string; readonly hostInterface: string };
  #closed = false;

  constructor(fd: number, prepared?: { networkId: string; hostInterface: string }) {
    this.fd = fd;
    this.path = `/proc/${process.pid}/fd/${fd}`;
    if (prepared) this.prepared = prepared;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.fd);
  }
}

interface Shelf {
  network: NetworkSpec;
  count: number;
  readonly ready: HeldNamespace[];
}

/**
 * Network namespaces held by descriptors (*measured*: one with `lo` up 0.4 ms, with a plugged-in pair 1 ms), and
 * a shelf of prepared ones for networks that ask for it. A namespace that nobody holds any more is taken down by
 * the kernel, with its interfaces, within some tens of milliseconds.
 */
export class HeldNamespaces implements NamespacePool {
  readonly #route: NetlinkSocket;
  readonly #bridges: BridgeGroups;
  readonly #log: Logger;
  readonly #shelves = new Map<string, Shelf>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: { route: NetlinkSocket; bridges: BridgeGroups; log: Logger }) {
    this.#route = options.route;
    this.#bridges = options.bridges;
    this.#log = options.log;
  }

  async take(network: NetworkSpec | undefined): Promise<NetworkNamespace> {
    const shelf = network && this.#shelves.get(network.id);
    if (!network || !shelf) return this.#bare();
    this.#refillLater(REFILL_DELAY_MS);
    for (;;) {
      const namespace = shelf.ready.shift();
      if (!namespace) break;
      if (this.#plugged(network, namespace)) return namespace;
      namespace.close();
    }
    return await this.#prepare(network);
  }

  keepReady(network: NetworkSpec, count: number): void {
    const shelf = this.#shelves.get(network.id);
    if (shelf) {
      for (const namespace of shelf.ready.splice(0)) namespace.close();
      shelf.network = network;
      shelf.count = count;
      if (count === 0) this.#shelves.delete(network.id);
    } else if (count > 0) {
      this.#shelves.set(network.id, { network, count, ready: [] });
    }
    if (count > 0) this.#refillLater(0);
  }

  ofProcess(pid: number): NetworkNamespace {
    try {
      return new HeldNamespace(openFd(`/proc/${pid}/ns/net`));
    } catch (error) {
      if (isKind(error, 'not-found')) throw new TareError('not-found', `no process ${pid}`, error);
      throw error;
    }
  }

  links(ns: NetworkNamespace): string[] {
    const socket = insideNetwork(ns.fd, () => NetlinkSocket.open(NetlinkProtocol.ROUTE));
    try {
      return listLinks(socket).map(({ name }) => name);
    } finally {
      socket.close();
    }
  }

  route(ns: NetworkNamespace, through: DefaultRoute | undefined): void {
    replaceDefaultRoutes(ns, through);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const shelf of this.#shelves.values()) for (const namespace of shelf.ready) namespace.close();
    this.#shelves.clear();
  }

  /** A namespace with `lo` up, in which new interfaces have no IPv6 unless their network has. */
  #bare(): HeldNamespace {
    const fd = newNetworkNamespace();
    try {
      const socket = insideNetwork(fd, () => {
        withoutIPv6('default');
        return NetlinkSocket.open(NetlinkProtocol.ROUTE);
      });
      try {
        socket.execute([setLink(LOOPBACK, { up: true })]);
      } finally {
        socket.close();
      }
      return new HeldNamespace(fd);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  async #prepare(network: NetworkSpec): Promise<HeldNamespace> {
    const bare = this.#bare();
    const hostInterface = newHostInterface();
    try {
      await this.#bridges.plug(network, hostInterface, { name: PREPARED_INTERFACE, namespace: bare.fd });
    } catch (error) {
      bare.close();
      throw error;
    }
    return new HeldNamespace(bare.fd, { networkId: network.id, hostInterface });
  }

  /** False when somebody took the bridge or the link away since it was prepared. */
  #plugged(network: NetworkSpec, namespace: HeldNamespace): boolean {
    const link = namespace.prepared && findLink(this.#route, namespace.prepared.hostInterface);
    return !!link && this.#bridges.isPlugged(network, link);
  }

  #refillLater(delay: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refill(), delay);
    this.#timer.unref();
  }

  /** Makes one and comes back for the next, so that requests get their turn in between. */
  async #refill(): Promise<void> {
    for (const shelf of this.#shelves.values()) {
      if (shelf.ready.length >= shelf.count) continue;
      try {
        const namespace = await this.#prepare(shelf.network);
        // The shelf may have gone meanwhile.
        if (this.#closed || this.#shelves.get(shelf.network.id) !== shelf) namespace.close();
        else shelf.ready.push(namespace);
      } catch (error) {
        // The next take makes its own and says what is wrong.
        this.#log.debug('no namespace could be prepared', { network: shelf.network.name, error });
        return;
      }
      this.#refillLater(REFILL_STEP_MS);
      return;
    }
  }
}

/**
 * Switches IPv6 off for an interface (or `default`: those to come) of the namespace that the thread is in, as
 * Docker does for networks without IPv6: no link-local address, no router solicitations.
 */
export function withoutIPv6(name: string): void {
  setIPv6(name, false);
}

/** Switches IPv6 on or off for an interface; a kernel without IPv6 has nothing to switch. */
export function setIPv6(name: string, on: boolean): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, on ? '0' : '1');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
