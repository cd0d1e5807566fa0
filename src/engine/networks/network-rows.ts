import { TareError } from '../../base/errors.ts';
import type { NetworkTable } from '../../store/tables/networks.ts';
import type { Network } from './networks.ts';

/** The networks in memory, each with its row. */
export class NetworkRows {
  readonly #table: NetworkTable;
  readonly #networks = new Map<string, Network>();

  constructor(table: NetworkTable) {
    this.#table = table;
    for (const row of table.all()) {
      const stored = JSON.parse(row.document) as Omit<Network, 'id' | 'name'>;
      this.#networks.set(row.id, { ...stored, id: row.id, name: row.name });
    }
  }

  /** By id, name, or a prefix of an id that only one has; `default` is `bridge`, as in a container's mode. */
  find(ref: string): Network | undefined {
    const name = ref === 'default' ? 'bridge' : ref;
    const exact = this.#networks.get(name);
    if (exact || name === '') return exact;
    const matches: Network[] = [];
    for (const network of this.#networks.values()) {
      if (network.name === name) return network;
      if (network.id.startsWith(name)) matches.push(network);
    }
    if (matches.length > 1) {
      throw new TareError('invalid', `network ${ref} is ambiguous (${matches.length} matches found on ID)`);
    }
    return matches[0];
  }

  /** Throws `not-found`. */
  get(ref: string): Network {
    const network = this.find(ref);
    if (!network) throw new TareError('not-found', `network ${ref} not found`);
    return network;
  }

  list(): Network[] {
    return [...this.#networks.values()];
  }

  /** Adds or replaces a network and its row: one durable commit. */
  save(network: Network): void {
    const { id, name } = network;
    this.#table.put({ id, name, document: documentOf(network) });
    this.#networks.set(id, network);
  }

  /** Takes a network out of sight; its row stays until `forget`. Returns how to bring it back. */
  hide(network: Network): () => void {
    this.#networks.delete(network.id);
    return () => this.#networks.set(network.id, network);
  }

  forget(network: Network): void {
    this.#table.delete(network.id);
    this.#networks.delete(network.id);
  }
}

/** What a row holds beside id and name. */
function documentOf({ id: _id, name: _name, ...document }: Network): string {
  return JSON.stringify(document);
}

/** True when both would have the same row. */
export function sameNetwork(one: Network, other: Network): boolean {
  return one.id === other.id && one.name === other.name && documentOf(one) === documentOf(other);
}
