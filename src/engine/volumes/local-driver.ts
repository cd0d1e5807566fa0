import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, TareError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { parseSize } from '../../base/sizes.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { isMountPoint, listMounts, unmount } from '../../kernel/mount.ts';
import { limitDirectory, projectOf } from '../../kernel/project-quota.ts';
import { mountLocal, unmountLocal } from './local-mount.ts';
import { checkLocalOptions, localMountOf } from './local-options.ts';
import type { DriverEntry, DriverVolume, VolumeDriver } from './volume-driver.ts';

/** Where removed volumes go until their data is deleted; no volume's name begins with a dot. */
const TRASH = '.removed';
/** Projects of volumes with a size count from here, far from those of other programs. */
const FIRST_PROJECT = 1_929_379_840;
/** Where content is put together for volumes that are to appear as a whole. */
const STAGES = '.new';
/** Beside `_data` of a volume that was made from a stage, until it has a row: content that belongs to nobody yet. */
const UNFINISHED = 'unfinished';

/**
 * The local driver: `<root>/<name>/_data`, with a mount on it for those that ask for one (`type`, `device`, `o`),
 * from the first user to the last.
 *
 * A removal first moves the directory to the trash. Users are counted in memory; after a crash `restore` tells them.
 */
export class LocalDriver implements VolumeDriver {
  readonly name = 'local';
  readonly scope = 'local';
  readonly #root: string;
  readonly #log: Logger;
  readonly #users = new Map<string, Set<string>>();

  /** `root`: `<data root>/volumes`. */
  constructor(root: string, log: Logger) {
    this.#root = root;
    this.#log = log;
    mkdirSync(root, { recursive: true, mode: 0o701 });
  }

  /** Where a volume's content is. */
  mountpoint(name: string): string {
    return join(this.#root, name, '_data');
  }

  /** Something of that name is there, with a row or without. */
  has(name: string): boolean {
    return existsSync(this.#path(name));
  }

  #path(...parts: string[]): string {
    return join(this.#root, ...parts);
  }

  async create({ name, options }: DriverVolume): Promise<void> {
    checkLocalOptions(options);
    try {
      // The outer directory keeps others out; inside, the image's or the user's own mode holds.
      mkdirSync(this.#path(name), { recursive: true, mode: 0o701 });
      mkdirSync(this.mountpoint(name), { recursive: true, mode: 0o755 });
      if (options.size !== undefined && parseSize(options.size) > 0)
        this.#limit(name, parseSize(options.size));
    } catch (error) {
      this.abandon(name);
      throw error;
    }
  }

  /** As dockerd: an option that cannot be kept is refused, not forgotten. */
  #limit(name: string, bytes: number): void {
    const used = readdirSync(this.#root).map((other) => {
      const directory = this.mountpoint(other);
      return existsSync(directory) ? projectOf(directory) : 0;
    });
    const id = Math.max(FIRST_PROJECT - 1, ...used.filter((project) => project >= FIRST_PROJECT)) + 1;
    if (limitDirectory(this.mountpoint(name), id, bytes)) return;
    throw new TareError(
      'invalid',
      'quota size requested but no quota support: size needs a data root on ext4 or xfs that is mounted with prjquota',
    );
  }

  /** An empty place for the content of a volume to come; `create` with it makes the volume of it. */
  stage(): string {
    const stage = this.#path(STAGES, newId());
    mkdirSync(join(stage, '_data'), { recursive: true, mode: 0o755 });
    chmodSync(stage, 0o701);
    writeFileSync(join(stage, UNFINISHED), '');
    return stage;
  }

  /** Makes a volume of what was put into a stage's `_data`; `finish` once it has its row. */
  createFrom(stage: string, name: string): void {
    renameSync(stage, this.#path(name));
  }

  finish(name: string): void {
    rmSync(this.#path(name, UNFINISHED), { force: true });
  }

  /** Removes a stage that came to nothing. */
  async discard(stage: string): Promise<void> {
    await rm(stage, { recursive: true, force: true });
  }

  /** Gives a volume's place another name; nobody may use it. Done already is fine. */
  async rename(volume: DriverVolume, name: string): Promise<void> {
    await this.#unmount(volume);
    try {
      renameSync(this.#path(volume.name), this.#path(name));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || !existsSync(this.#path(name))) throw error;
    }
  }

  /** Takes back a `create` whose volume did not come to be. */
  abandon(name: string): void {
    rmSync(this.#path(name), { recursive: true, force: true });
  }

  async remove(volume: DriverVolume): Promise<() => Promise<void>> {
    const { name } = volume;
    const trash = this.#path(TRASH, name);
    await this.#unmount(volume);
    this.#users.delete(name);
    try {
      mkdirSync(this.#path(TRASH), { recursive: true, mode: 0o700 });
      rmSync(trash, { recursive: true, force: true });
      renameSync(this.#path(name), trash);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    return () => rm(trash, { recursive: true, force: true });
  }

  async get(name: string): Promise<DriverEntry | undefined> {
    return { name, mountpoint: this.mountpoint(name) };
  }

  /** None but those that have a row. */
  async list(): Promise<DriverEntry[]> {
    return [];
  }

  async mount({ name, options }: DriverVolume, user: string): Promise<string> {
    const path = this.mountpoint(name);
    const wanted = localMountOf(options);
    if (wanted === undefined) return path;
    const users = this.#users.get(name) ?? new Set<string>();
    // A mount that nobody uses is what a crash left: it may be of another time.
    if (users.size === 0) await unmountLocal(wanted, path);
    if (users.size === 0 || !isMountPoint(path)) await mountLocal(wanted, path);
    this.#users.set(name, users.add(user));
    return path;
  }

  async unmount(volume: DriverVolume, user: string): Promise<void> {
    if (localMountOf(volume.options) === undefined) return;
    const users = this.#users.get(volume.name);
    users?.delete(user);
    if ((users?.size ?? 0) > 0) return;
    await this.#unmount(volume);
  }

  async #unmount({ name, options }: DriverVolume): Promise<void> {
    const wanted = localMountOf(options);
    if (wanted === undefined) return;
    const path = this.mountpoint(name);
    await unmountLocal(wanted, path);
    // Never is anything deleted or renamed that has somebody's directory mounted on it.
    if (isMountPoint(path))
      throw new TareError('conflict', `volume ${name} cannot be unmounted from ${path}`);
  }

  /**
   * At start-up: `uses` are the volumes that containers which still run have in use, with the containers' ids;
   * volumes that are mounted without a user are unmounted.
   */
  async restore(
    volumes: readonly DriverVolume[],
    uses: ReadonlyMap<string, readonly string[]>,
  ): Promise<void> {
    const mounted = new Set(listMounts().map(({ target }) => target));
    for (const volume of volumes) {
      const { name, options } = volume;
      if (localMountOf(options) === undefined) continue;
      const users = uses.get(name) ?? [];
      if (users.length > 0) this.#users.set(name, new Set(users));
      else if (mounted.has(this.mountpoint(name))) {
        await this.#unmount(volume).catch((error) => {
          this.#log.warn('a volume that nobody uses stays mounted', {
            volume: name,
            error: messageOf(error),
          });
        });
      }
    }
  }

  /**
   * Completes what an earlier daemon left half made or half removed; `known` have rows. Returns the names of those
   * whose removal a crash cut short.
   */
  async sweep(known: ReadonlySet<string>): Promise<string[]> {
    const log = this.#log;
    const present = new Set(await readdir(this.#root));
    const trash = new Set(await readdir(this.#path(TRASH)).catch(() => []));
    const removed: string[] = [];
    for (const name of known) {
      if (present.has(name)) {
        this.finish(name);
        continue;
      }
      if (trash.has(name)) removed.push(name);
      else {
        log.warn('the directory of a volume is gone: it is made again, empty', { volume: name });
        mkdirSync(this.mountpoint(name), { recursive: true });
      }
    }
    for (const name of present) {
      if (known.has(name) || name === TRASH || name === STAGES) continue;
      if (await this.#isHalfMade(name)) await rm(this.#path(name), { recursive: true, force: true });
      else log.warn('a directory among the volumes belongs to none: it is left alone', { directory: name });
    }
    const inside = `${this.#path(TRASH)}/`;
    for (const { target } of listMounts().reverse()) if (target.startsWith(inside)) unmount(target);
    await rm(this.#path(TRASH), { recursive: true, force: true });
    await rm(this.#path(STAGES), { recursive: true, force: true });
    return removed;
  }

  /** True for a directory with nothing but an empty `_data`: data of a user is never swept. */
  async #isHalfMade(name: string): Promise<boolean> {
    try {
      const entries = await readdir(this.#path(name));
      if (entries.length === 0 || entries.includes(UNFINISHED)) return true;
      return (
        entries.length === 1 &&
        entries[0] === '_data' &&
        (await readdir(this.mountpoint(name))).length === 0 &&
        !isMountPoint(this.mountpoint(name))
      );
    } catch {
      return false;
    }
  }
}

/** A file system's error with what to do about it. */
export function storageError(error: unknown, what: string): TareError {
  const code = codeOf(error);
  if (code === 'SQLITE_FULL') return new TareError('exhausted', `${what}: ${messageOf(error)}`, error);
  return fromNodeError(error, what);
}
