import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cancellation } from '../../../base/cancellation.ts';
import { KeyedMutex } from '../../../base/mutex.ts';
import { diskBytes } from '../../../snapshots/apply/disk-bytes.ts';
import type { CacheMount } from '../dockerfile/run-mount.ts';

/** A directory of `RUN --mount=type=cache`, while somebody has it. */
export interface TakenCache {
  /** On the host. */
  readonly path: string;
  release(): void;
}

/** What is kept of such a directory. */
export interface CacheMountRecord {
  /** Name of its place below the root. */
  readonly name: string;
  /** `id=` of the mount. */
  readonly id: string;
  readonly path: string;
  /** Bytes on the disk. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly usedAt: number;
  readonly inUse: boolean;
}

/**
 * The directories of `RUN --mount=type=cache`, by their ids. Below the root, NAME/data is a directory and NAME/id the id
 * that it belongs to; of an id that is used by several with `sharing=private` there are several.
 */
export class CacheMounts {
  readonly #root: string;
  readonly #users = new Map<string, number>();
  readonly #turns = new KeyedMutex();

  constructor(root: string) {
    this.#root = root;
  }

  /** Takes an id's directory; `fill` is given a new one. With `sharing=locked` it waits until nobody else has it. */
  async take(
    mount: CacheMount,
    fill: (path: string) => Promise<void>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<TakenCache> {
    const turn = mount.sharing === 'locked' ? await this.#lock(mount.id, signal) : undefined;
    try {
      const name = this.#nameFor(mount);
      this.#count(name, 1);
      try {
        const path = await this.#turns.run(`make ${name}`, () => this.#make(name, mount, fill));
        return {
          path,
          release: () => {
            this.#count(name, -1);
            turn?.();
          },
        };
      } catch (error) {
        this.#count(name, -1);
        throw error;
      }
    } catch (error) {
      turn?.();
      throw error;
    }
  }

  /** Resolves with the function that lets the next one in. Who is stopped while waiting leaves the queue. */
  async #lock(id: string, signal: AbortSignal): Promise<() => void> {
    const taken = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    void this.#turns.run(`lock ${id}`, async () => {
      taken.resolve();
      await over.promise;
    });
    const leave = (): void => {
      over.resolve();
      taken.reject(cancellation(signal));
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    try {
      await taken.promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
    return over.resolve;
  }

  #nameFor({ id, sharing }: CacheMount): string {
    const name = createHash('sha256').update(id).digest('hex').slice(0, 32);
    if (sharing !== 'private') return name;
    for (let number = 0; ; number++) {
      const candidate = number === 0 ? name : `${name}-${number}`;
      if (!this.#users.has(candidate)) return candidate;
    }
  }

  async #make(name: string, mount: CacheMount, fill: (path: string) => Promise<void>): Promise<string> {
    const place = join(this.#root, name);
    const path = join(place, 'data');
    const found = await stat(path).catch(() => undefined);
    const now = new Date();
    if (found) {
      await utimes(join(place, 'id'), now, now).catch(() => {});
      return path;
    }
    const draft = join(place, 'new');
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true, mode: 0o755 });
    await writeFile(join(place, 'id'), mount.id);
    await fill(draft);
    await chown(draft, mount.uid, mount.gid);
    await chmod(draft, mount.mode);
    // Only a whole one is found again.
    await rename(draft, path);
    return path;
  }

  #count(name: string, change: 1 | -1): void {
    const count = (this.#users.get(name) ?? 0) + change;
    if (count > 0) this.#users.set(name, count);
    else this.#users.delete(name);
  }

  async list(): Promise<CacheMountRecord[]> {
    const names = await readdir(this.#root).catch(() => []);
    const found = await Promise.all(names.map((name) => this.#record(name)));
    return found.filter((record) => record !== undefined);
  }

  async #record(name: string): Promise<CacheMountRecord | undefined> {
    const place = join(this.#root, name);
    const path = join(place, 'data');
    try {
      const id = readFileSync(join(place, 'id'), 'utf8');
      const [made, used] = await Promise.all([stat(path), stat(join(place, 'id'))]);
      return {
        name,
        id,
        path,
        size: await diskBytes(path),
        createdAt: Math.floor(made.birthtimeMs),
        usedAt: Math.floor(used.mtimeMs),
        inUse: this.#users.has(name),
      };
    } catch {
      // Half made, or just removed.
      return undefined;
    }
  }

  /** False when it is in use. */
  async remove(name: string): Promise<boolean> {
    if (this.#users.has(name)) return false;
    await rm(join(this.#root, name), { recursive: true, force: true });
    return true;
  }
}
