import { isIPv6 } from 'node:net';
import { TareError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { KeyedMutex } from '../base/mutex.ts';
import { AF_INET6, ipBytes } from '../kernel/netlink/addresses.ts';
import { forgetConnections, listConnections } from '../kernel/netlink/conntrack.ts';
import type { NetlinkMessage } from '../kernel/netlink/message.ts';
import { monitorNetlink, type NetlinkMonitor } from '../kernel/netlink/monitor.ts';
import { holdTranslation } from '../kernel/netlink/nft-nat-holder.ts';
import {
  changeMaps,
  concatenation,
  isMissing,
  type MapChange,
  type MapElement,
  NFT_GROUP,
  NftFamily,
  parseNotification,
} from '../kernel/netlink/nftables.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import { bareAddress } from './addressing.ts';
import { concernsForwarding, ForeignForward } from './foreign-forward.ts';
import { InputFeed } from './input-feed.ts';
import type { NetworkSpec } from './netdriver.ts';
import { networkElements } from './network-elements.ts';
import type { RoutedPort } from './routed-ports.ts';
import { bridgesOf, type RuledNetwork } from './ruled-network.ts';
import { type PortMapping, ruleset } from './ruleset.ts';
import { withoutFiltered } from './ruleset-filtered.ts';

/** Changes come in bursts (`nft flush ruleset` is one message a table, chain and rule). */
const REPAIR_DELAY_MS = 30;
/** Somebody who keeps changing our table is not raced. */
const REPAIR_INTERVAL_MS = 500;

/**
 * Our one table: replaced as a whole when a network comes or goes, by single map elements when a port does. Hears
 * of foreign changes through netlink: a table of ours that was touched is put back, and where another engine's
 * forward chain drops by policy, our bridges get their accept rules there.
 */
export class Firewall {
  readonly #table: string;
  readonly #filtered: boolean;
  readonly #feed: InputFeed;
  readonly #log: Logger;
  readonly #socket: NetlinkSocket;
  readonly #foreign: ForeignForward;
  readonly #mutex = new KeyedMutex();
  /** Ports of netlink sockets whose changes are our own. */
  readonly #own = new Set<number>();
  readonly #ports = new Set<PortMapping>();
  /** Counts changes by element: one made while nft replaces the table is lost with the old table. */
  #portChanges = 0;
  #networks: readonly NetworkSpec[] = [];
  #routed: readonly RoutedPort[] = [];
  #monitor: NetlinkMonitor | undefined;
  #release: (() => void) | undefined;
  #repair: NodeJS.Timeout | undefined;
  #lastRepair = Number.NEGATIVE_INFINITY;
  #tableTouched = false;
  #forwardTouched = false;
  #installed = false;
  #closed = false;

  /**
   * `table` is the name in family `inet`; each daemon of a machine needs one of its own. `filtered`: published ports
   * obey the host's input policy.
   */
  constructor(options: { table: string; filtered?: boolean; log: Logger }) {
    this.#table = options.table;
    this.#filtered = options.filtered ?? false;
    this.#feed = new InputFeed(options.table);
    this.#log = options.log;
    this.#socket = NetlinkSocket.open(NetlinkProtocol.NETFILTER);
    this.#foreign = new ForeignForward({ table: options.table, socket: this.#socket, log: options.log });
  }

  /** Installs the rules for these networks; the ports that are there stay. */
  async setNetworks(networks: readonly NetworkSpec[]): Promise<void> {
    this.#networks = networks;
    await this.#apply();
    await this.#mutex.run('foreign', () => this.#settleForeign());
  }

  /** Adds or removes one network of `networks`; what the rules say of the others stays as it is. */
  async changeNetwork(
    change: 'add' | 'delete',
    network: RuledNetwork,
    networks: readonly RuledNetwork[],
  ): Promise<void> {
    // Then there are sets in further tables.
    if (!this.#installed || this.#filtered) return await this.setNetworks(networks);
    this.#networks = networks;
    const done = await this.#mutex.run('table', async () => {
      try {
        changeMaps(this.#socket, this.#table, change, networkElements(network));
        this.#own.add(this.#socket.port);
        return true;
      } catch (error) {
        // Somebody changed the table: put everything back as it is to be now.
        this.#log.debug('a network could not be changed by itself; writing the whole table', { error });
        return false;
      }
    });
    if (!done) await this.#apply();
    await this.#mutex.run('foreign', () => this.#settleForeign());
  }

  /** Opens these ports at containers' own addresses, and no others. */
  async setRouted(ports: readonly RoutedPort[]): Promise<void> {
    this.#routed = ports;
    if (this.#installed) await this.#apply();
  }

  /** Replaces networks and ports in one go. */
  async restore(networks: readonly NetworkSpec[], ports: readonly PortMapping[]): Promise<void> {
    this.#ports.clear();
    for (const port of ports) this.#ports.add(port);
    await this.setNetworks(networks);
  }

  /** Opens ports. */
  async add(ports: readonly PortMapping[]): Promise<void> {
    for (const port of ports) this.#ports.add(port);
    try {
      await this.#change('add', ports);
    } catch (error) {
      for (const port of ports) this.#ports.delete(port);
      throw error;
    }
  }

  /** Closes ports, of the objects that `add` or `restore` were given. */
  async remove(ports: readonly PortMapping[]): Promise<void> {
    for (const port of ports) this.#ports.delete(port);
    await this.#change('delete', ports);
  }

  async #change(change: 'add' | 'delete', ports: readonly PortMapping[]): Promise<void> {
    if (ports.length === 0) return;
    try {
      // Then there are sets in further tables; those change in one transaction with the maps.
      if (this.#filtered) {
        await this.#apply();
        this.#forgetDatagrams(ports);
        return;
      }
      this.#portChanges++;
      changeMaps(this.#socket, this.#table, change, mapChanges(ports));
      this.#own.add(this.#socket.port);
      this.#forgetDatagrams(ports);
    } catch (error) {
      // Somebody flushed the table, or an element: put everything back as it is to be now.
      if (change === 'delete' && isMissing(error)) return;
      await this.#apply();
    }
  }

  /**
   * A client that sends datagrams from one port keeps being led where its first one was, or nowhere, however long
   * the rules are changed: the kernel has to forget its flow. (A new TCP connection is judged anew.)
   */
  #forgetDatagrams(ports: readonly PortMapping[]): void {
    const datagrams = ports.filter(({ protocol }) => protocol === 'udp');
    if (datagrams.length === 0) return;
    try {
      const v6 = datagrams.some(({ hostIp }) => isIPv6(hostIp));
      const flows = [
        ...listConnections(this.#socket),
        ...(v6 ? listConnections(this.#socket, AF_INET6) : []),
      ];
      const stale = flows.filter(
        ({ original, family }) =>
          original.protocol === PROTOCOLS.udp &&
          datagrams.some(
            ({ hostIp, hostPort }) =>
              original.destinationPort === hostPort &&
              (hostIp === original.destination || hostIp === (family === AF_INET6 ? '::' : '0.0.0.0')),
          ),
      );
      forgetConnections(this.#socket, stale);
    } catch (error) {
      this.#log.debug('datagram flows could not be forgotten', { error });
    }
  }

  async #apply(): Promise<void> {
    await this.#mutex.run('table', async () => {
      const before = this.#portChanges;
      await this.#replace();
      if (this.#portChanges !== before) await this.#replace();
    });
  }

  async #replace(): Promise<void> {
    this.#listen();
    const script = ruleset(this.#table, {
      networks: this.#networks,
      ports: [...this.#ports],
      routed: this.#routed,
      foreignBridges: this.#foreign.bridges,
      filtered: this.#filtered,
    });
    if (this.#filtered) await this.#feed.make();
    else if (!this.#installed) await this.#feed.remove();
    // The last daemon may have been a filtering one.
    const former = this.#filtered || this.#installed ? '' : withoutFiltered(this.#table);
    let port = 0;
    try {
      await runNft(former + script, (pid) => {
        // nft's socket has the process's id as its port.
        port = pid;
        this.#own.add(pid);
      });
      this.#installed = true;
      // What it changed may still wait to be read.
      this.#monitor?.drain();
    } finally {
      this.#own.delete(port);
    }
  }

  async #settleForeign(): Promise<void> {
    const before = this.#foreign.bridges.join();
    try {
      await this.#foreign.settle(this.#networks.flatMap(bridgesOf));
    } catch (error) {
      this.#log.warn('the rules of another firewall could not be looked at', { error });
    }
    if (this.#foreign.bridges.join() !== before) await this.#apply();
  }

  #listen(): void {
    if (this.#monitor || this.#closed) return;
    try {
      this.#release = holdTranslation(`${this.#table}-held`);
    } catch (error) {
      this.#log.debug('open connections would not outlive a flush of all rules', { error });
    }
    this.#monitor = monitorNetlink(NetlinkProtocol.NETFILTER, [NFT_GROUP], (messages) =>
      this.#heard(messages),
    );
  }

  #heard(messages: readonly NetlinkMessage[] | undefined): void {
    if (messages === undefined) {
      this.#tableTouched = true;
      this.#forwardTouched = true;
    }
    for (const message of messages ?? []) {
      const notice = parseNotification(message);
      if (!notice || this.#own.has(notice.port)) continue;
      if (notice.table === this.#table && notice.family !== NftFamily.BRIDGE) this.#tableTouched = true;
      else if (concernsForwarding(notice)) this.#forwardTouched = true;
    }
    if ((this.#tableTouched || this.#forwardTouched) && this.#installed && !this.#closed) {
      const next = this.#lastRepair + REPAIR_INTERVAL_MS - performance.now();
      this.#repair ??= setTimeout(() => void this.#mend(), Math.max(REPAIR_DELAY_MS, next));
    }
  }

  async #mend(): Promise<void> {
    this.#repair = undefined;
    this.#lastRepair = performance.now();
    const table = this.#tableTouched;
    const forward = this.#forwardTouched;
    this.#tableTouched = false;
    this.#forwardTouched = false;
    if (this.#closed) return;
    try {
      if (table) {
        this.#log.warn('somebody changed our firewall table; putting it back', { table: this.#table });
        await this.#apply();
      }
      if (forward) {
        this.#foreign.lookAgain();
        await this.#mutex.run('foreign', () => this.#settleForeign());
      }
    } catch (error) {
      this.#log.error('the firewall rules could not be put back', { error });
    }
  }

  /** Takes the table and our rules in foreign chains away. */
  async dismantle(): Promise<void> {
    await this.close();
    await this.#foreign.settle([]);
    await runNft(
      `add table inet ${this.#table}\ndelete table inet ${this.#table}\n${withoutFiltered(this.#table)}`,
    );
    await this.#feed.remove();
  }

  /** Stops listening; the rules stay. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#repair);
    this.#monitor?.close();
    this.#release?.();
    await this.#mutex.run('table', async () => {});
    await this.#mutex.run('foreign', async () => {});
  }
}

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

function bytes16(value: number): Buffer {
  const result = Buffer.alloc(2);
  result.writeUInt16BE(value);
  return result;
}

/** The elements of `ruleset`'s maps for these ports. */
function mapChanges(ports: readonly PortMapping[]): MapChange[] {
  const elements = new Map<string, MapElement[]>([
    ['ports', []],
    ['ports_at', []],
    ['ports6', []],
    ['ports6_at', []],
  ]);
  for (const port of ports) {
    const protocol = Uint8Array.of(PROTOCOLS[port.protocol]);
    const data = concatenation(ipBytes(bareAddress(port.containerIp)), bytes16(port.containerPort));
    const v6 = isIPv6(port.hostIp);
    const any = port.hostIp === (v6 ? '::' : '0.0.0.0');
    const host = any ? [] : [ipBytes(port.hostIp)];
    elements.get(`ports${v6 ? '6' : ''}${any ? '' : '_at'}`)?.push({
      key: concatenation(protocol, ...host, bytes16(port.hostPort)),
      data,
    });
  }
  return [...elements].map(([map, list]) => ({ map, elements: list }));
}

/** Runs a script in one transaction; `onStart` hears the process's id. Throws `internal` with nft's words. */
async function runNft(script: string, onStart: (pid: number) => void = () => {}): Promise<void> {
  let child: Bun.Subprocess<Buffer, 'ignore', 'pipe'>;
  try {
    child = Bun.spawn(['nft', '-f', '-'], { stdin: Buffer.from(script), stdout: 'ignore', stderr: 'pipe' });
  } catch (error) {
    throw new TareError('unavailable', 'cannot run nft; install the package nftables', error);
  }
  onStart(child.pid);
  const [problem, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new TareError('internal', `nft refused our rules: ${problem.trim()}`);
}
