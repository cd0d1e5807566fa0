import type { VolumeTable } from '../../store/tables/volumes.ts';
import { type LocalDriver, storageError } from './local-driver.ts';
import type { Volume } from './volumes.ts';

/** What a row's document holds. Rows of the local driver name none. */
type Stored = Pick<Volume, 'createdAt' | 'labels' | 'options' | 'anonymous'> & {
  readonly claim?: string;
  readonly driver?: string;
  readonly scope?: Volume['scope'];
  readonly mountpoint?: string;
  /** Its place may still have this name: a rename that a crash cut short. */
  readonly formerly?: string;
};

/** The volumes that have rows, in memory and in the database. Each change is one durable commit. */
export class VolumeRows {
  readonly #table: VolumeTable;
  readonly #local: LocalDriver;
  readonly #volumes = new Map<string, Volume>();
  /** Anonymous volumes that go when their container is gone, with its id. */
  readonly #claims = new Map<string, string>();
  readonly #formerly = new Map<string, string>();

  constructor(table: VolumeTable, local: LocalDriver) {
    this.#table = table;
    this.#local = local;
    for (const { name, document } of table.all()) {
      const stored = JSON.parse(document) as Stored;
      this.#volumes.set(name, this.#volume(name, stored));
      if (stored.claim !== undefined) this.#claims.set(name, stored.claim);
      if (stored.formerly !== undefined) this.#formerly.set(name, stored.formerly);
    }
  }

  #volume(name: string, stored: Stored): Volume {
    const { createdAt, labels, options, anonymous } = stored;
    return {
      createdAt,
      labels,
      options,
      anonymous,
      name,
      driver: stored.driver ?? this.#local.name,
      scope: stored.scope ?? this.#local.scope,
      mountpoint: stored.mountpoint ?? this.#local.mountpoint(name),
    };
  }

  find(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  names(): Set<string> {
    return new Set(this.#volumes.keys());
  }

  list(): Volume[] {
    return [...this.#volumes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  claims(): ReadonlyMap<string, string> {
    return this.#claims;
  }

  /** Throws `exhausted` (disk), `internal`. */
  insert(volume: Volume, claim: string | undefined): void {
    try {
      this.#table.insert({ name: volume.name, document: this.#document(volume, claim) });
    } catch (error) {
      throw storageError(error, `create ${volume.name}`);
    }
    this.#volumes.set(volume.name, volume);
    if (claim !== undefined) this.#claims.set(volume.name, claim);
  }

  unclaim(name: string): void {
    const volume = this.#volumes.get(name);
    if (!volume || !this.#claims.has(name)) return;
    try {
      this.#table.update({ name, document: this.#document(volume, undefined) });
    } catch (error) {
      throw storageError(error, `keep ${name}`);
    }
    this.#claims.delete(name);
  }

  /** The row has the new name from now on, and remembers the former one until `settle`. */
  rename(volume: Volume, name: string): Volume {
    const renamed: Volume = { ...volume, name, mountpoint: this.#local.mountpoint(name) };
    const document = JSON.stringify({
      ...(JSON.parse(this.#document(renamed, undefined)) as Stored),
      formerly: volume.name,
    });
    try {
      this.#table.rename(volume.name, { name, document });
    } catch (error) {
      throw storageError(error, `rename ${volume.name}`);
    }
    this.#volumes.delete(volume.name);
    this.#volumes.set(name, renamed);
    this.#formerly.set(name, volume.name);
    return renamed;
  }

  /** Renames that may not be complete: former names by present ones. */
  renamed(): ReadonlyMap<string, string> {
    return this.#formerly;
  }

  /** A rename is complete. */
  settle(name: string): void {
    const volume = this.#volumes.get(name);
    if (!volume || !this.#formerly.has(name)) return;
    this.#table.update({ name, document: this.#document(volume, this.#claims.get(name)) });
    this.#formerly.delete(name);
  }

  delete(name: string): void {
    this.#table.delete(name);
    this.#volumes.delete(name);
    this.#claims.delete(name);
  }

  #document(volume: Volume, claim: string | undefined): string {
    const { createdAt, labels, options, anonymous, driver, scope, mountpoint } = volume;
    const stored: Stored = {
      createdAt,
      labels,
      options,
      anonymous,
      ...(claim !== undefined && { claim }),
      ...(driver !== this.#local.name && { driver, scope, mountpoint }),
    };
    return JSON.stringify(stored);
  }
}
