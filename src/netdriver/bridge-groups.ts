import { TareError } from '../base/errors.ts';
import { KeyedMutex } from '../base/mutex.ts';
import { Errno, SyscallError } from '../kernel/errno.ts';
import { findLink, type Link, listLinks } from '../kernel/netlink/links.ts';
import type { NetlinkSocket } from '../kernel/netlink/socket.ts';
import { makeFurtherBridge } from './bridge-link.ts';
import { BRIDGE_PORTS, furtherBridge, furtherNumbers, type TreeShape, treeShape } from './bridge-names.ts';
import type { NetworkSpec } from './netdriver.ts';
import { type Peer, plugInto } from './plug.ts';

/** A network's bridges. */
interface Group {
  /** Numbers of the further ones. */
  readonly numbers: number[];
  /** The one that the next endpoint is plugged into, and how many it certainly takes. */
  current: number;
  free: number;
}

/**
 * The bridges of each network: one, and further ones when it is full (bridge-names.ts). Endpoints do not notice: all
 * bridges of a network are one Ethernet, and only the first has the gateway's addresses.
 */
export class BridgeGroups {
  readonly #route: NetlinkSocket;
  readonly #shape: TreeShape;
  readonly #groups = new Map<string, Group>();
  readonly #mutex = new KeyedMutex();
  /** Called when a network has a further bridge, before an endpoint is plugged into it: the rules have to know. */
  onGrowth: (network: NetworkSpec) => Promise<void> = async () => {};

  /** `portLimit`: interfaces that a bridge takes; tests lower it. */
  constructor(options: { route: NetlinkSocket; portLimit?: number | undefined }) {
    this.#route = options.route;
    this.#shape = treeShape(options.portLimit ?? BRIDGE_PORTS);
  }

  /** A network whose bridge is there, and empty. */
  begin(network: NetworkSpec): void {
    this.#groups.set(network.id, { numbers: [], current: 0, free: this.#shape.room(0) });
  }

  /** Finds a network's further bridges among `links` and repairs them. Throws when one cannot be made. */
  restore(network: NetworkSpec, links: readonly Link[]): void {
    const names = links.map(({ name }) => name);
    // Those between, too, which somebody may have removed: others hang on them.
    const numbers = Array.from(
      { length: furtherNumbers(network.id, names).at(-1) ?? 0 },
      (_, index) => index + 1,
    );
    const group: Group = { numbers, current: 0, free: 0 };
    this.#groups.set(network.id, group);
    for (const number of numbers) this.#make(network, number);
    this.#choose(network, group, links);
  }

  /** Names of a network's bridges, the first one first. */
  bridgesOf(network: NetworkSpec): string[] {
    const numbers = this.#groups.get(network.id)?.numbers ?? [];
    return [network.bridgeName, ...numbers.map((number) => this.#name(network, number))];
  }

  /** Forgets further bridges that have no endpoints; what to remove from the kernel with them. */
  emptyOnes(network: NetworkSpec, links: readonly Link[]): string[] {
    const group = this.#groups.get(network.id);
    if (!group) return [];
    const counts = this.#count(network, group, links);
    const empty: string[] = [];
    for (let number = group.numbers.at(-1); number !== undefined; number = group.numbers.at(-1)) {
      if (counts.get(number) !== 0) break;
      empty.push(this.#name(network, number));
      group.numbers.pop();
      if (group.current === number) Object.assign(group, { current: 0, free: 0 });
    }
    return linksOf(empty);
  }

  /** Forgets a network. What to remove from the kernel with it: pairs between its bridges, then the bridges. */
  end(network: NetworkSpec): string[] {
    const [first = '', ...further] = this.bridgesOf(network);
    this.#groups.delete(network.id);
    return [...linksOf(further), first];
  }

  /** True while the link hangs on a bridge of the network. */
  isPlugged(network: NetworkSpec, link: Link): boolean {
    return (
      link.master !== 0 &&
      this.bridgesOf(network).some((name) => findLink(this.#route, name)?.index === link.master)
    );
  }

  /**
   * Plugs a new pair of links into the network: `hostInterface` comes up, its peer stays down in its namespace until
   * the endpoint's addresses are set. All or nothing. Throws `not-found` without the bridge, `exhausted`.
   */
  async plug(network: NetworkSpec, hostInterface: string, peer: Peer): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const bridge = await this.place(network);
      try {
        plugInto(this.#route, bridge, network, hostInterface, peer);
        return;
      } catch (error) {
        const full = error instanceof SyscallError && error.errno === Errno.EXFULL;
        if (!full || attempt > 2) throw error;
        // Somebody else plugs into our bridges, too: count again.
        const group = this.#groups.get(network.id);
        if (group) group.free = 0;
      }
    }
  }

  /** A bridge of the network with room for one more, which is taken. Grows the network when there is none. */
  async place(network: NetworkSpec): Promise<Link> {
    const group = this.#groups.get(network.id) ?? this.#found(network);
    if (group.free <= 0) {
      await this.#mutex.run(network.id, async () => {
        if (group.free > 0) return;
        this.#choose(network, group, listLinks(this.#route));
        if (group.free <= 0) await this.#grow(network, group);
      });
    }
    const name = this.#name(network, group.current);
    const bridge = findLink(this.#route, name);
    if (!bridge) {
      throw new TareError(
        'not-found',
        `the bridge ${name} of network ${network.name} is missing; restarting tare makes it again`,
      );
    }
    group.free--;
    return bridge;
  }

  #found(network: NetworkSpec): Group {
    const group: Group = { numbers: [], current: 0, free: 0 };
    this.#groups.set(network.id, group);
    return group;
  }

  /** Chooses the first bridge with room. */
  #choose(network: NetworkSpec, group: Group, links: readonly Link[]): void {
    const counts = this.#count(network, group, links);
    for (const number of [0, ...group.numbers]) {
      group.current = number;
      group.free = this.#shape.room(number) - (counts.get(number) ?? 0);
      if (group.free > 0) return;
    }
  }

  /** Ports of each bridge by its number, but for the ends of the pairs between bridges. */
  #count(network: NetworkSpec, group: Group, links: readonly Link[]): Map<number, number> {
    const numbers = [0, ...group.numbers];
    const byName = new Map(numbers.map((number) => [this.#name(network, number), number]));
    const byIndex = new Map<number, number>();
    for (const { name, index } of links) {
      const number = byName.get(name);
      if (number !== undefined) byIndex.set(index, number);
    }
    const between = new Set(group.numbers.flatMap((it) => Object.values(furtherBridge(network.id, it))));
    const counts = new Map(numbers.map((number) => [number, 0]));
    for (const { master, name } of links) {
      const number = byIndex.get(master);
      if (number !== undefined && !between.has(name)) counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    return counts;
  }

  async #grow(network: NetworkSpec, group: Group): Promise<void> {
    const number = (group.numbers.at(-1) ?? 0) + 1;
    if (number > 999) {
      throw new TareError('exhausted', `network ${network.name} is full: it has ${number} bridges`);
    }
    this.#make(network, number);
    group.numbers.push(number);
    try {
      await this.onGrowth(network);
    } catch (error) {
      // Not used without rules; the next time finds the link there.
      group.numbers.pop();
      throw error;
    }
    group.current = number;
    group.free = this.#shape.room(number);
  }

  #make(network: NetworkSpec, number: number): void {
    const above = this.#shape.above(number);
    try {
      makeFurtherBridge(this.#route, network, furtherBridge(network.id, number), this.#name(network, above));
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== Errno.EXFULL) throw error;
      throw new TareError(
        'exhausted',
        `the bridge ${this.#name(network, above)} of network ${network.name} is full: unplug what was plugged into it by hand`,
        error,
      );
    }
  }

  #name(network: NetworkSpec, number: number): string {
    return number === 0 ? network.bridgeName : furtherBridge(network.id, number).name;
  }
}

/** Further bridges and the pairs that they hang on: the end of a bridge takes no pair with it. */
function linksOf(further: readonly string[]): string[] {
  return further.flatMap((name) => [name.replace(/^bx/, 'bu'), name]);
}
