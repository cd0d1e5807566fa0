import { isIPv6 } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { bareAddress } from './addressing.ts';
import type { Firewall } from './firewall.ts';
import type { EndpointSpec, NetworkSpec, Publication, RestoredEndpoint } from './netdriver.ts';
import { type HeldPort, PortKeeper } from './port-keeper.ts';
import type { PortMapping } from './ruleset.ts';

interface Published {
  readonly held: HeldPort[];
  readonly mappings: PortMapping[];
}

/** Networks and published ports as rules and reservations, in step. */
export class PublishedPorts {
  readonly #firewall: Firewall;
  readonly #keeper = new PortKeeper();
  readonly #log: Logger;
  readonly #networks = new Map<string, NetworkSpec>();
  readonly #published = new Map<string, Published>();

  constructor(options: { firewall: Firewall; log: Logger }) {
    this.#firewall = options.firewall;
    this.#log = options.log;
  }

  async addNetwork(network: NetworkSpec): Promise<void> {
    this.#networks.set(network.id, network);
    await this.#firewall.setNetworks([...this.#networks.values()]);
  }

  async removeNetwork(id: string): Promise<void> {
    if (!this.#networks.delete(id)) return;
    await this.#firewall.setNetworks([...this.#networks.values()]);
  }

  /** All or none. Returns what is published, one entry an address. */
  async publish(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    wanted: readonly Publication[],
  ): Promise<Publication[]> {
    const containerIp = bareAddress(endpoint.ipv4);
    const held: HeldPort[] = [];
    try {
      for (const publication of wanted) {
        held.push(...(await this.#keeper.hold(publication, network.hostBinding, containerIp)));
      }
      const mappings = mappingsOf(
        held.map(({ publication }) => publication),
        containerIp,
      );
      await this.#firewall.add(mappings);
      const before = this.#published.get(endpoint.id);
      this.#published.set(endpoint.id, {
        held: [...(before?.held ?? []), ...held],
        mappings: [...(before?.mappings ?? []), ...mappings],
      });
    } catch (error) {
      for (const port of held) port.release();
      throw error;
    }
    return held.map(({ publication }) => publication);
  }

  async unpublish(endpoint: EndpointSpec): Promise<void> {
    const published = this.#published.get(endpoint.id);
    if (!published) return;
    this.#published.delete(endpoint.id);
    await this.#firewall.remove(published.mappings);
    for (const port of published.held) port.release();
  }

  /**
   * Rules for everything at once, then the reservations. A port that another program took while the daemon was
   * away stays published by the rules; the log says so.
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
        const mappings = mappingsOf(publications, bareAddress(endpoint.ipv4));
        this.#published.set(endpoint.id, { held: [], mappings });
        all.push(...mappings);
      }
    }
    await this.#firewall.restore([...this.#networks.values()], all);
    for (const { endpoints } of networks) for (const entry of endpoints) await this.#holdAgain(entry);
  }

  async #holdAgain({ endpoint, publications }: RestoredEndpoint): Promise<void> {
    for (const publication of publications) {
      try {
        const held = await this.#keeper.restore(publication, bareAddress(endpoint.ipv4));
        this.#published.get(endpoint.id)?.held.push(held);
      } catch (error) {
        this.#log.warn('a published port was taken by another program while tare was away', {
          container: endpoint.containerId,
          port: `${publication.hostIp}:${publication.hostPort}/${publication.protocol}`,
          error: messageOf(error),
        });
      }
    }
  }

  async dismantle(): Promise<void> {
    this.#keeper.close();
    await this.#firewall.dismantle();
  }

  async close(): Promise<void> {
    this.#keeper.close();
    await this.#firewall.close();
  }
}

/** The rules' part of publications; IPv6 ones are the forwarder's. */
function mappingsOf(publications: readonly Publication[], containerIp: string): PortMapping[] {
  return publications
    .filter(({ hostIp }) => !isIPv6(hostIp))
    .map(({ protocol, hostIp, hostPort, containerPort }) => ({
      protocol,
      hostIp,
      hostPort,
      containerIp,
      containerPort,
    }));
}
