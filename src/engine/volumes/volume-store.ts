import { isKind, messageOf, TareError, wrapError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import type { VolumeTable } from '../../store/tables/volumes.ts';
import type { EventBus } from '../events/events.ts';
import { directorySize } from './directory-size.ts';
import { storageError } from './local-driver.ts';
import { isPluginFault, joined, type VolumeDrivers } from './volume-drivers.ts';
import { VolumeMaker } from './volume-maker.ts';
import { checkVolumeName } from './volume-names.ts';
import { VolumeRows } from './volume-rows.ts';
import type { CreateVolume, Volume, VolumeService } from './volumes.ts';

export interface VolumeStoreOptions {
  readonly table: VolumeTable;
  readonly drivers: VolumeDrivers;
  /** Ids of the containers that have the volume mounted or would mount it. */
  readonly usersOf: (name: string) => readonly string[];
  readonly events: Pick<EventBus, 'emit'>;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * A row for each volume, over drivers that hold the content.
 *
 * A row is written after its volume is there, so a crash leaves at most an empty place without a row, which the sweep
 * at the start removes. A removal first takes the volume out of reach, then deletes the row, then the data.
 */
export class VolumeStore implements VolumeService {
  readonly #options: VolumeStoreOptions;
  readonly #drivers: VolumeDrivers;
  readonly #rows: VolumeRows;
  readonly #maker: VolumeMaker;
  readonly #mutex = new KeyedMutex();
  /** Volumes of containers that are being made, by the container's id. */
  readonly #acquired = new Map<string, Set<string>>();

  constructor(options: VolumeStoreOptions) {
    this.#options = options;
    this.#drivers = options.drivers;
    this.#rows = new VolumeRows(options.table, options.drivers.local);
    this.#maker = new VolumeMaker(this.#rows, options);
  }

  /** Completes what an earlier daemon left half made or half removed. Call once, before the API answers. */
  async sweep(): Promise<void> {
    const { local } = this.#drivers;
    for (const [name, formerly] of [...this.#rows.renamed()]) {
      // The former name may be another volume's by now: then the rename had come to its end.
      if (this.#rows.find(formerly) === undefined && !local.has(name) && local.has(formerly)) {
        await local.rename({ ...this.get(name), name: formerly }, name);
      }
      this.#rows.settle(name);
    }
    const own = this.list().filter(({ driver }) => driver === local.name);
    for (const name of await local.sweep(new Set(own.map((volume) => volume.name)))) this.#rows.delete(name);
    for (const [name, container] of this.#rows.claims()) {
      // The last daemon died while it made the container, or removed it with its volumes.
      const users = this.#options.usersOf(name);
      if (users.length > 0) {
        if (!users.includes(container)) this.unclaim(name);
        continue;
      }
      await this.#discard(this.get(name)).catch((error) => {
        // A plugin that is not there yet must not keep the daemon from starting.
        this.#options.log.warn('an anonymous volume stays', { volume: name, error: messageOf(error) });
      });
    }
  }

  /** At start-up: which containers that still run have which volumes in use. */
  async restore(uses: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const { local } = this.#drivers;
    await local.restore(
      this.list().filter(({ driver }) => driver === local.name),
      uses,
    );
  }

  find(name: string): Volume | undefined {
    return this.#rows.find(name);
  }

  get(name: string): Volume {
    const volume = this.#rows.find(name);
    if (volume === undefined) throw unknown(name);
    return volume;
  }

  list(): Volume[] {
    return this.#rows.list();
  }

  async inspect(name: string): Promise<Volume> {
    const row = this.#rows.find(name);
    if (row?.driver === this.#drivers.local.name) return row;
    if (row === undefined) {
      const elsewhere = await this.#drivers.findElsewhere(name);
      if (elsewhere === undefined) throw unknown(name);
      return joined(elsewhere.driver, elsewhere.entry, undefined);
    }
    const driver = await this.#drivers.get(row.driver, `get ${name}`);
    const entry = await driver.get(name);
    if (entry === undefined) throw unknown(name);
    return joined(driver, entry, row);
  }

  async listAll(): Promise<{ volumes: Volume[]; warnings: string[] }> {
    return await this.#drivers.list(this.list());
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
    if (request.driver === '' || request.driver === this.#drivers.local.name) checkVolumeName(name);
    return await this.#mutex.run(name, async () => {
      const known = this.#rows.find(name);
      if (known) await this.#checkDriver(known, request.driver);
      const { volume, created } = known
        ? { volume: known, created: false }
        : await this.#maker.make(name, request, anonymous ? container : undefined);
      if (container !== undefined) this.#hold(name, container);
      return { volume, created };
    });
  }

  async #checkDriver(known: Volume, driver: string): Promise<void> {
    if (driver === '' || driver === known.driver) return;
    await this.#drivers.get(driver, `create ${known.name}`);
    throw new TareError(
      'conflict',
      `create ${known.name}: driver '${known.driver}' already has volume '${known.name}': volume name must be unique`,
    );
  }

  #hold(name: string, container: string): void {
    const held = this.#acquired.get(container) ?? new Set();
    this.#acquired.set(container, held.add(name));
  }

  unclaim(name: string): void {
    this.#rows.unclaim(name);
  }

  #usersOf(name: string): string[] {
    const making = [...this.#acquired].flatMap(([container, held]) => (held.has(name) ? [container] : []));
    return [...new Set([...this.#options.usersOf(name), ...making])];
  }

  async remove(name: string, force: boolean): Promise<void> {
    await this.#mutex.run(name, async () => {
      const volume = this.#rows.find(name) ?? (await this.inspect(name).catch(noneWhen(force)));
      if (volume === undefined) return;
      const users = this.#usersOf(name);
      if (users.length > 0) {
        throw new TareError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
      }
      try {
        await this.#discard(volume);
      } catch (error) {
        // As dockerd: whose plugin is gone for good can at least be forgotten.
        const isLocal = volume.driver === this.#drivers.local.name;
        if (!force || isLocal || !isPluginFault(error)) throw error;
        this.#rows.delete(name);
      }
    });
  }

  async #discard(volume: Volume): Promise<void> {
    const { events, log } = this.#options;
    const { name } = volume;
    const driver = await this.#drivers.get(volume.driver, `remove ${name}`);
    let finish: () => Promise<void>;
    try {
      finish = await driver.remove(volume);
    } catch (error) {
      throw error instanceof TareError
        ? wrapError(error, `remove ${name}`)
        : storageError(error, `remove ${name}`);
    }
    this.#rows.delete(name);
    events.emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver: volume.driver } });
    await finish().catch((error: unknown) => {
      log.warn('the data of a removed volume could not be deleted; the next start tries again', {
        volume: name,
        error: messageOf(error),
      });
    });
  }

  /**
   * Gives a volume of the local driver another name. Throws `conflict` while a container has it or the name is taken,
   * `not-implemented` for other drivers.
   */
  async rename(before: string, name: string): Promise<Volume> {
    checkVolumeName(name);
    // Always in the same order: two renames that wait for one another would wait for ever.
    const [first, second] = [before, name].sort() as [string, string];
    if (first === second) throw taken(name);
    return await this.#mutex.run(first, () => this.#mutex.run(second, () => this.#rename(before, name)));
  }

  async #rename(before: string, name: string): Promise<Volume> {
    const { local } = this.#drivers;
    const volume = this.get(before);
    if (volume.driver !== local.name) {
      throw new TareError(
        'not-implemented',
        `rename ${before}: its driver ${volume.driver} knows no renaming`,
      );
    }
    if (this.#rows.find(name) !== undefined || local.has(name)) throw taken(name);
    const users = this.#usersOf(before);
    if (users.length > 0) {
      throw new TareError('conflict', `rename ${before}: volume is in use - [${users.join(', ')}]`);
    }
    const renamed = this.#rows.rename(volume, name);
    try {
      await local.rename(volume, name);
    } catch (error) {
      this.#rows.rename(renamed, before);
      this.#rows.settle(before);
      throw storageError(error, `rename ${before}`);
    }
    this.#rows.settle(name);
    this.#options.events.emit({
      type: 'volume',
      action: 'rename',
      id: name,
      attributes: { driver: volume.driver, oldName: before },
    });
    return renamed;
  }

  /**
   * A new volume of the local driver whose content `fill` puts into a directory: it appears with all of it or not at
   * all. Throws `conflict` when the name is taken.
   */
  async createFilled(
    name: string,
    labels: Volume['labels'],
    fill: (directory: string) => Promise<void>,
  ): Promise<Volume> {
    checkVolumeName(name);
    const { local } = this.#drivers;
    return await this.#mutex.run(name, async () => {
      if (this.#rows.find(name) !== undefined || local.has(name)) throw taken(name);
      return await this.#maker.makeFilled(name, labels, fill);
    });
  }

  /** Runs `body` with a volume's content in reach; meanwhile it cannot be removed or renamed. */
  async using<T>(name: string, body: (directory: string) => Promise<T>): Promise<T> {
    const user = newId();
    await this.#mutex.run(name, async () => {
      this.get(name);
      this.#hold(name, user);
    });
    try {
      const directory = await this.mount(name, user);
      try {
        return await body(directory);
      } finally {
        await this.unmount(name, user);
      }
    } finally {
      this.release(user);
    }
  }

  async prune(matches: (volume: Volume) => boolean): Promise<{ deleted: string[]; reclaimed: number }> {
    const { events, log } = this.#options;
    const { local } = this.#drivers;
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
    if (driver !== this.#drivers.local.name || options.type !== undefined) return -1;
    return await directorySize(mountpoint);
  }

  async mount(name: string, container: string): Promise<string> {
    return await this.#mutex.run(name, async () => {
      const volume = this.get(name);
      try {
        const driver = await this.#drivers.get(volume.driver, `get ${name}`);
        return await driver.mount(volume, container);
      } catch (error) {
        // Not `not-found`, which clients take for the image's.
        const kind = isKind(error, 'not-found')
          ? 'unavailable'
          : error instanceof TareError
            ? error.kind
            : 'internal';
        throw new TareError(
          kind,
          `error while mounting volume '${volume.mountpoint}': ${messageOf(error)}`,
          error,
        );
      }
    });
  }

  async unmount(name: string, container: string): Promise<void> {
    await this.#mutex.run(name, async () => {
      const volume = this.find(name);
      if (volume === undefined) return;
      const driver = await this.#drivers.get(volume.driver, `unmount ${name}`);
      await driver.unmount(volume, container);
    });
  }
}

function taken(name: string): TareError {
  return new TareError(
    'conflict',
    `the volume name ${name} is in use already: choose another, or remove that volume`,
  );
}

function unknown(name: string): TareError {
  return new TareError('not-found', `get ${name}: no such volume`);
}

/** What is not there need not be removed, when it is to go in any case. */
function noneWhen(force: boolean): (error: unknown) => undefined {
  return (error) => {
    if (force && isKind(error, 'not-found')) return undefined;
    throw error;
  };
}
