import { isIPv6 } from 'node:net';
import { isKind, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { bareAddress } from './addressing.ts';
import type { Firewall } from './firewall.ts';
import type { EndpointSpec, NetworkSpec, PortNotice, Publication, RestoredEndpoint } from './netdriver.ts';
import { type HeldPort, PortKeeper, type PortTarget } from './port-keeper.ts';
import type { PortMapping } from './ruleset.ts';

/** How often a port that another program has is tried again. */
const RETRY_MS = 1000;

/** One published port: the rules' part, and what holds it against other programs. */
interface Entry {
  readonly publication: Publication;
  /** Undefined where only the forwarder leads there. */
  readonly mapping: PortMapping | undefined;
  /** Undefined while another program has the port. */
  held: HeldPort | undefined;
}

interface Published {
  readonly containerId: string;
  readonly target: PortTarget;
  entries: readonly Entry[];
}

/** Networks and published ports as rules and reservations, in step. */
export class PublishedPorts {
  readonly #firewall: Firewall;
  readonly #keeper = new PortKeeper();
  readonly #log: Logger;
  readonly #notify: (notice: PortNotice) => void;
  readonly #networks = new Map<string, NetworkSpec>();
  readonly #published = new Map<string, Published>();
  #retry: NodeJS.Timeout | undefined;

  constructor(options: { firewall: Firewall; notify: (notice: PortNotice) => void; log: Logger }) {
    this.#firewall = options.firewall;
    this.#notify = options.notify;
    this.#log = options.log;
  }

  async addNetwork(network: NetworkSpec): Promise<void> {
    const known = this.#networks.has(network.id);
    this.#networks.set(network.id, network);
    const all = [...this.#networks.values()];
    await (known ? this.#firewall.setNetworks(all) : this.#firewall.changeNetwork('add', network, all));
  }

  async removeNetwork(id: string): Promise<void> {
    const network = this.#networks.get(id);
    if (!network) return;
    this.#networks.delete(id);
    await this.#firewall.changeNetwork('delete', network, [...this.#networks.values()]);
  }

  /** All or none. Returns what is published, one entry an address. */
  async publish(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    wanted: readonly Publication[],
  ): Promise<Publication[]> {
    const target = targetOf(endpoint);
    const held: HeldPort[] = [];
    try {
      for (const publication of wanted) {
        held.push(...(await this.#keeper.hold(publication, network.hostBinding, target)));
      }
      const entries = held.map((port) => entryOf(port.publication, target, port));
      await this.#firewall.add(mappingsOf(entries));
      const before = this.#published.get(endpoint.id)?.entries ?? [];
      this.#published.set(endpoint.id, {
        containerId: endpoint.containerId,
        target,
        entries: [...before, ...entries],
      });
    } catch (error) {
      for (const port of held) port.release();
      throw error;
    }
    return held.map(({ publication }) => publication);
  }

  /** Gives back the ports of `which`, or all of the endpoint's. */
  async unpublish(endpoint: EndpointSpec, which?: readonly Publication[]): Promise<void> {
    const published = this.#published.get(endpoint.id);
    if (!published) return;
    const goes = ({ publication }: Entry): boolean =>
      which === undefined || which.some((other) => samePort(other, publication));
    const gone = published.entries.filter(goes);
    published.entries = published.entries.filter((entry) => !goes(entry));
    if (published.entries.length === 0) this.#published.delete(endpoint.id);
    await this.#firewall.remove(mappingsOf(gone));
    for (const { held } of gone) held?.release();
  }

  /**
   * Rules for everything at once, then the reservations. A port that another program took while the daemon was
   * away stays published by the rules; `notify` hears of it, and again when it could be held.
   */
  async restore(
    networks: ReadonlyArray<{ network: NetworkSpec; endpoints: readonly RestoredEndpoint[] }>,
  ): Promise<void> {
    this.#networks.clear();
    const all: PortMapping[] = [];
    for (const { network, endpoints } of networks) {
      this.#networks.set(network.id, network);
      for (const { endpoint, publications } of endpoints) {
        if (publications.length === 0) continue;
        const target = targetOf(endpoint);
        const entries = publications.map((publication) => entryOf(publication, target, undefined));
        this.#published.set(endpoint.id, { containerId: endpoint.containerId, target, entries });
        all.push(...mappingsOf(entries));
      }
    }
    await this.#firewall.restore([...this.#networks.values()], all);
    for (const published of this.#published.values()) {
      for (const entry of published.entries) await this.#hold(published, entry, true);
    }
    this.#retryLater();
  }

  /** Takes a port that rules lead to already; `first`: nothing was said about it yet. */
  async #hold({ containerId, target }: Published, entry: Entry, first: boolean): Promise<void> {
    const { publication } = entry;
    const details = {
      container: containerId,
      port: `${publication.hostIp}:${publication.hostPort}/${publication.protocol}`,
    };
    try {
      const held = await this.#keeper.restore(publication, target);
      // It may have been unpublished meanwhile.
      if (!this.#isPublished(entry)) return held.release();
      entry.held = held;
      this.#notify({ containerId, publication, taken: false });
      if (!first) this.#log.info('a published port is held again', details);
    } catch (error) {
      if (!first) return;
      if (isKind(error, 'conflict')) this.#notify({ containerId, publication, taken: true });
      this.#log.warn('a published port was taken by another program while tare was away', {
        ...details,
        error: messageOf(error),
      });
    }
  }

  #isPublished(entry: Entry): boolean {
    return [...this.#published.values()].some(({ entries }) => entries.includes(entry));
  }

  #retryLater(): void {
    const waiting = [...this.#published.values()].some(({ entries }) => entries.some(({ held }) => !held));
    if (!waiting || this.#retry) return;
    this.#retry = setTimeout(async () => {
      for (const published of [...this.#published.values()]) {
        for (const entry of published.entries) if (!entry.held) await this.#hold(published, entry, false);
      }
      this.#retry = undefined;
      this.#retryLater();
    }, RETRY_MS);
  }

  async dismantle(): Promise<void> {
    this.#letGo();
    await this.#firewall.dismantle();
  }

  async close(): Promise<void> {
    this.#letGo();
    await this.#firewall.close();
  }

  #letGo(): void {
    clearTimeout(this.#retry);
    this.#published.clear();
    this.#keeper.close();
  }
}

function targetOf(endpoint: EndpointSpec): PortTarget {
  return { ipv4: bareAddress(endpoint.ipv4), ipv6: bareAddress(endpoint.ipv6) };
}

const samePort = (one: Publication, other: Publication): boolean =>
  one.protocol === other.protocol &&
  one.containerPort === other.containerPort &&
  one.hostIp === other.hostIp &&
  one.hostPort === other.hostPort;

function entryOf(publication: Publication, target: PortTarget, held: HeldPort | undefined): Entry {
  const { protocol, hostIp, hostPort, containerPort } = publication;
  // No rule leads away from ::1.
  const containerIp = hostIp === '::1' ? '' : isIPv6(hostIp) ? target.ipv6 : target.ipv4;
  const mapping = containerIp && { protocol, hostIp, hostPort, containerIp, containerPort };
  return { publication, mapping: mapping || undefined, held };
}

function mappingsOf(entries: readonly Entry[]): PortMapping[] {
  return entries.flatMap(({ mapping }) => mapping ?? []);
}
