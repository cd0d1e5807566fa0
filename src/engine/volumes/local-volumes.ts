import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { lstat, opendir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, TareError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import type { VolumeTable } from '../../store/tables/volumes.ts';
import type { EventBus } from '../events/events.ts';
import { checkVolumeName } from './volume-names.ts';
import type { CreateVolume, Volume, VolumeService } from './volumes.ts';

/** Label that Docker gives to volumes nobody named. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
/** Where removed volumes go until their data is deleted; no volume's name begins with a dot. */
const TRASH = '.removed';

export interface LocalVolumesOptions {
  /** `<data root>/volumes`. */
  readonly root: string;
  readonly table: VolumeTable;
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
 * The local driver: `<root>/<name>/_data` and a row for each volume.
 *
 * A row is written after its directory is there, so a crash leaves at most an empty directory without a row,
 * which the sweep at the start removes. A removal first moves the directory to the trash, then deletes the row,
 * then the data: a row whose directory is in the trash is a removal that a crash cut short, and is completed.
 */
export class LocalVolumes implements VolumeService {
  readonly #options: LocalVolumesOptions;
  readonly #volumes = new Map<string, Volume>();
  readonly #mutex = new KeyedMutex();
  /** Anonymous volumes that go when their container is gone, with its id. */
  readonly #claims = new Map<string, string>();

  constructor(options: LocalVolumesOptions) {
    this.#options = options;
    mkdirSync(options.root, { recursive: true, mode: 0o701 });
    for (const row of options.table.all()) {
      const stored = JSON.parse(row.document) as Stored;
      this.#volumes.set(row.name, this.#volume(row.name, stored));
      if (stored.claim !== undefined) this.#claims.set(row.name, stored.claim);
    }
  }

  #volume(name: string, { createdAt, labels, options, anonymous }: Stored): Volume {
    return {
      createdAt,
      labels,
      options,
      anonymous,
      name,
      driver: 'local',
      mountpoint: this.#path(name, '_data'),
    };
  }

  #path(...parts: string[]): string {
    return join(this.#options.root, ...parts);
  }

  /** Completes what an earlier daemon left half made or half removed. Call once, before the API answers. */
  async sweep(): Promise<void> {
    const { root, table, log } = this.#options;
    const present = new Set(await readdir(root));
    const trash = new Set(await readdir(this.#path(TRASH)).catch(() => []));
    for (const [name, volume] of this.#volumes) {
      if (present.has(name)) continue;
      if (trash.has(name)) {
        table.delete(name);
        this.#volumes.delete(name);
      } else {
        log.warn('the directory of a volume is gone: it is made again, empty', { volume: name });
        mkdirSync(volume.mountpoint, { recursive: true });
      }
    }
    for (const name of present) {
      if (this.#volumes.has(name) || name === TRASH) continue;
      if (await this.#isHalfMade(name)) await rm(this.#path(name), { recursive: true, force: true });
      else log.warn('a directory among the volumes belongs to none: it is left alone', { directory: name });
    }
    await rm(this.#path(TRASH), { recursive: true, force: true });
    for (const [name, container] of this.#claims) {
      // The last daemon died while it made the container, or removed it with its volumes.
      const users = this.#options.usersOf(name);
      if (users.length === 0) await this.#discard(name);
      else if (!users.includes(container)) this.unclaim(name);
    }
  }

  /** True for a directory with nothing but an empty `_data`: data of a user is never swept. */
  async #isHalfMade(name: string): Promise<boolean> {
    try {
      const entries = await readdir(this.#path(name));
      if (entries.length === 0) return true;
      return (
        entries.length === 1 &&
        entries[0] === '_data' &&
        (await readdir(this.#path(name, '_data'))).length === 0
      );
    } catch {
      return false;
    }
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

  async create(request: CreateVolume, claim?: string): Promise<Volume> {
    const anonymous = request.name === '';
    const name = anonymous ? newId() : request.name;
    checkVolumeName(name);
    if (request.driver !== '' && request.driver !== 'local') {
      throw new TareError(
        'not-found',
        `create ${name}: error looking up volume plugin ${request.driver}: plugin "${request.driver}" not found`,
      );
    }
    const options = Object.keys(request.options);
    if (options.length > 0) {
      throw new TareError(
        'not-implemented',
        `create ${name}: options of the local driver (${options.join(', ')}) are not supported by this version of Tare`,
      );
    }
    return await this.#mutex.run(
      name,
      async () =>
        this.#volumes.get(name) ?? this.#make(name, anonymous, anonymous ? { ...request, claim } : request),
    );
  }

  #make(name: string, anonymous: boolean, request: CreateVolume & { claim?: string | undefined }): Volume {
    const { table, events, now = Date.now } = this.#options;
    const stored: Stored = {
      createdAt: now(),
      labels: anonymous ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : { ...request.labels },
      options: {},
      anonymous: anonymous || ANONYMOUS_LABEL in request.labels,
      ...(request.claim !== undefined && { claim: request.claim }),
    };
    try {
      // The outer directory keeps others out; inside, the image's or the user's own mode holds.
      mkdirSync(this.#path(name), { recursive: true, mode: 0o701 });
      mkdirSync(this.#path(name, '_data'), { recursive: true, mode: 0o755 });
      table.insert({ name, document: JSON.stringify(stored) });
    } catch (error) {
      rmSync(this.#path(name), { recursive: true, force: true });
      throw storageError(error, `create ${name}`);
    }
    const volume = this.#volume(name, stored);
    this.#volumes.set(name, volume);
    if (stored.claim !== undefined) this.#claims.set(name, stored.claim);
    events.emit({ type: 'volume', action: 'create', id: name, attributes: { driver: 'local' } });
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

  async remove(name: string, force: boolean): Promise<void> {
    await this.#mutex.run(name, async () => {
      if (!this.#volumes.has(name)) {
        if (force) return;
        this.get(name);
      }
      const users = this.#options.usersOf(name);
      if (users.length > 0) {
        throw new TareError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
      }
      await this.#discard(name);
    });
  }

  async #discard(name: string): Promise<void> {
    const { table, events, log } = this.#options;
    const trash = this.#path(TRASH, name);
    try {
      mkdirSync(this.#path(TRASH), { recursive: true, mode: 0o700 });
      rmSync(trash, { recursive: true, force: true });
      renameSync(this.#path(name), trash);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw storageError(error, `remove ${name}`);
    }
    table.delete(name);
    this.#volumes.delete(name);
    this.#claims.delete(name);
    events.emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver: 'local' } });
    await rm(trash, { recursive: true, force: true }).catch((error: unknown) => {
      log.warn('the data of a removed volume could not be deleted; the next start tries again', {
        volume: name,
        error,
      });
    });
  }

  async prune(matches: (volume: Volume) => boolean): Promise<{ deleted: string[]; reclaimed: number }> {
    const { usersOf, events, log } = this.#options;
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const volume of this.list()) {
      if (!matches(volume) || usersOf(volume.name).length > 0) continue;
      const bytes = await this.size(volume.name);
      try {
        await this.remove(volume.name, false);
      } catch (error) {
        // Somebody began to use it in the meantime.
        log.debug('a volume was not pruned', { volume: volume.name, error });
        continue;
      }
      deleted.push(volume.name);
      reclaimed += bytes;
    }
    events.emit({ type: 'volume', action: 'prune', id: '', attributes: { reclaimed: String(reclaimed) } });
    return { deleted, reclaimed };
  }

  /** Bytes that the files of a volume take, hard links once. Walks the whole tree. */
  async size(name: string): Promise<number> {
    const seen = new Set<string>();
    let bytes = 0;
    const pending = [this.get(name).mountpoint];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const entries = await opendir(directory).catch(() => undefined);
      if (entries === undefined) continue;
      for await (const entry of entries) {
        const path = join(directory, entry.name);
        if (entry.isDirectory()) pending.push(path);
        const stat = await lstat(path).catch(() => undefined);
        if (stat === undefined || stat.isDirectory()) continue;
        if (stat.nlink > 1) {
          const key = `${stat.dev}:${stat.ino}`;
          if (seen.has(key)) continue;
          seen.add(key);
        }
        bytes += stat.size;
      }
    }
    return bytes;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function storageError(error: unknown, what: string): TareError {
  const code = codeOf(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL';
  return new TareError(full ? 'exhausted' : 'internal', `${what}: ${messageOf(error)}`, error);
}
