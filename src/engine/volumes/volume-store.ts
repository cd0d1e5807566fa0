import { isKind, messageOf, TareError, wrapError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import type { VolumeTable } from '../../store/tables/volumes.ts';
import type { EventBus } from '../events/events.ts';
import { directorySize } from './directory-size.ts';
import { type LocalDriver, storageError } from './local-driver.ts';
import type { VolumeDriver } from './volume-driver.ts';
import { checkVolumeName } from './volume-names.ts';
import type { CreateVolume, Volume, VolumeService } from './volumes.ts';

/** Label that Docker gives to volumes nobody named. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export interface VolumeStoreOptions {
  readonly table: VolumeTable;
  readonly local: LocalDriver;
  /** Ids of the containers that have the volume mounted or would mount it. */
  readonly usersOf: (name: string) => readonly string[];
  readonly events: Pick<EventBus, 'emit'>;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

type Stored = Pick<Volume, 'createdAt' | 'labels' | 'options' | 'anonymous'> & {
  readonly claim?: string;
};

/**
 * A row for each volume, over drivers that hold the content.
 *
 * A row is written after its volume is there, so a crash leaves at most an empty place without a row, which the sweep
 * at the start removes. A removal first takes the volume out of reach, then deletes the row, then the data.
 */
export class VolumeStore implements VolumeService {
  readonly #options: VolumeStoreOptions;
  readonly #volumes = new Map<string, Volume>();
  readonly #mutex = new KeyedMutex();
  /** Anonymous volumes that go when their container is gone, with its id. */
  readonly #claims = new Map<string, string>();
  /** Volumes of containers that are being made, by the container's id. */
  readonly #acquired = new Map<string, Set<string>>();

  constructor(options: VolumeStoreOptions) {
    this.#options = options;
    for (const row of options.table.all()) {
      const stored = JSON.parse(row.document) as Stored;
      this.#volumes.set(row.name, this.#volume(row.name, stored));
      if (stored.claim !== undefined) this.#claims.set(row.name, stored.claim);
    }
  }

  #volume(name: string, { createdAt, labels, options, anonymous }: Stored): Volume {
    const { local } = this.#options;
    return {
      createdAt,
      labels,
      options,
      anonymous,
      name,
      driver: local.name,
      scope: local.scope,
      mountpoint: local.mountpoint(name),
    };
  }

  /** Completes what an earlier daemon left half made or half removed. Call once, before the API answers. */
  async sweep(): Promise<void> {
    const { local, table } = this.#options;
    for (const name of await local.sweep(new Set(this.#volumes.keys()))) {
      table.delete(name);
      this.#volumes.delete(name);
    }
    for (const [name, container] of this.#claims) {
      // The last daemon died while it made the container, or removed it with its volumes.
      const users = this.#options.usersOf(name);
      if (users.length === 0) await this.#discard(this.get(name));
      else if (!users.includes(container)) this.unclaim(name);
    }
  }

  /** At start-up: which containers that still run have which volumes in use. */
  async restore(uses: ReadonlyMap<string, readonly string[]>): Promise<void> {
    await this.#options.local.restore(this.list(), uses);
  }

  #driver(name: string, doing: string): VolumeDriver {
    const { local } = this.#options;
    if (name === '' || name === local.name) return local;
    throw new TareError(
      'not-found',
      `${doing}: error looking up volume plugin ${name}: plugin "${name}" not found`,
    );
  }

  find(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  get(name: string): Volume {
    const volume = this.#volumes.get(name);
    if (volume === undefined) throw new TareError('not-found', `get ${name}: no such volume`);
    return volume;
  }

  list(): Volume[] {
    return [...this.#volumes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async inspect(name: string): Promise<Volume> {
    return this.get(name);
  }

  async listAll(): Promise<{ volumes: Volume[]; warnings: string[] }> {
    return { volumes: this.list(), warnings: [] };
  }

  async create(request: CreateVolume): Promise<Volume> {
    return (await this.#create(request, undefined)).volume;
  }

  async acquire(request: CreateVolume, container: string): Promise<{ volume: Volume; created: boolean }> {
    return await this.#create(request, container);
  }

  release(container: string): void {
    this.#acquired.delete(container);
  }

  async #create(
    request: CreateVolume,
    container: string | undefined,
  ): Promise<{ volume: Volume; created: boolean }> {
    const anonymous = request.name === '';
    const name = anonymous ? newId() : request.name;
    checkVolumeName(name);
    return await this.#mutex.run(name, async () => {
      const known = this.#volumes.get(name);
      if (known) this.#checkDriver(known, request.driver);
      const volume = known ?? (await this.#make(name, request, anonymous ? container : undefined));
      if (container !== undefined) this.#hold(name, container);
      return { volume, created: known === undefined };
    });
  }

  #checkDriver(known: Volume, driver: string): void {
    if (driver === '' || this.#driver(driver, `create ${known.name}`).name === known.driver) return;
    throw new TareError(
      'conflict',
      `create ${known.name}: driver '${known.driver}' already has volume '${known.name}': volume name must be unique`,
    );
  }

  #hold(name: string, container: string): void {
    const held = this.#acquired.get(container) ?? new Set();
    this.#acquired.set(container, held.add(name));
  }

  async #make(name: string, request: CreateVolume, claim: string | undefined): Promise<Volume> {
    const { table, events, local, now = Date.now } = this.#options;
    const driver = this.#driver(request.driver, `create ${name}`);
    const anonymous = request.name === '';
    const stored: Stored = {
      createdAt: now(),
      labels: anonymous ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : { ...request.labels },
      options: { ...request.options },
      anonymous: anonymous || ANONYMOUS_LABEL in request.labels,
      ...(claim !== undefined && { claim }),
    };
    try {
      await driver.create({ name, options: stored.options });
    } catch (error) {
      throw isKind(error, 'invalid', 'not-implemented')
        ? wrapError(error, `create ${name}`)
        : storageError(error, `create ${name}`);
    }
    try {
      table.insert({ name, document: JSON.stringify(stored) });
    } catch (error) {
      local.abandon(name);
      throw storageError(error, `create ${name}`);
    }
    const volume = this.#volume(name, stored);
    this.#volumes.set(name, volume);
    if (claim !== undefined) this.#claims.set(name, claim);
    events.emit({ type: 'volume', action: 'create', id: name, attributes: { driver: driver.name } });
    return volume;
  }

  unclaim(name: string): void {
    const volume = this.#volumes.get(name);
    if (!volume || !this.#claims.has(name)) return;
    const { createdAt, labels, options, anonymous } = volume;
    const stored: Stored = { createdAt, labels, options, anonymous };
    try {
      this.#options.table.update({ name, document: JSON.stringify(stored) });
    } catch (error) {
      throw storageError(error, `keep ${name}`);
    }
    this.#claims.delete(name);
  }

  #usersOf(name: string): string[] {
    const making = [...this.#acquired].flatMap(([container, held]) => (held.has(name) ? [container] : []));
    return [...new Set([...this.#options.usersOf(name), ...making])];
  }

  async remove(name: string, force: boolean): Promise<void> {
    await this.#mutex.run(name, async () => {
      if (force && !this.#volumes.has(name)) return;
      const volume = this.get(name);
      const users = this.#usersOf(name);
      if (users.length > 0) {
        throw new TareError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
      }
      await this.#discard(volume);
    });
  }

  async #discard(volume: Volume): Promise<void> {
    const { table, events, log } = this.#options;
    const { name } = volume;
    let finish: () => Promise<void>;
    try {
      finish = await this.#driver(volume.driver, `remove ${name}`).remove(volume);
    } catch (error) {
      throw error instanceof TareError
        ? wrapError(error, `remove ${name}`)
        : storageError(error, `remove ${name}`);
    }
    table.delete(name);
    this.#volumes.delete(name);
    this.#claims.delete(name);
    events.emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver: volume.driver } });
    await finish().catch((error: unknown) => {
      log.warn('the data of a removed volume could not be deleted; the next start tries again', {
        volume: name,
        error: messageOf(error),
      });
    });
  }

  async prune(matches: (volume: Volume) => boolean): Promise<{ deleted: string[]; reclaimed: number }> {
    const { events, log, local } = this.#options;
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const volume of this.list()) {
      if (volume.driver !== local.name || !matches(volume) || this.#usersOf(volume.name).length > 0) continue;
      const bytes = await this.size(volume.name);
      try {
        await this.remove(volume.name, false);
      } catch (error) {
        // Somebody began to use it in the meantime.
        log.debug('a volume was not pruned', { volume: volume.name, error: messageOf(error) });
        continue;
      }
      deleted.push(volume.name);
      reclaimed += Math.max(0, bytes);
    }
    events.emit({ type: 'volume', action: 'prune', id: '', attributes: { reclaimed: String(reclaimed) } });
    return { deleted, reclaimed };
  }

  /** Bytes that the files of a volume take, hard links once; walks the whole tree. -1: it lies elsewhere. */
  async size(name: string): Promise<number> {
    const { driver, mountpoint, options } = this.get(name);
    // As dockerd: what has a mount of its own is not this machine's disk.
    if (driver !== this.#options.local.name || options.type !== undefined) return -1;
    return await directorySize(mountpoint);
  }

  async mount(name: string, container: string): Promise<string> {
    return await this.#mutex.run(name, async () => {
      const volume = this.get(name);
      try {
        return await this.#driver(volume.driver, `mount ${name}`).mount(volume, container);
      } catch (error) {
        throw wrapError(error, `error while mounting volume '${volume.mountpoint}'`);
      }
    });
  }

  async unmount(name: string, container: string): Promise<void> {
    await this.#mutex.run(name, async () => {
      const volume = this.find(name);
      if (volume) await this.#driver(volume.driver, `unmount ${name}`).unmount(volume, container);
    });
  }
}
