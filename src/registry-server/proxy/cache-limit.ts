import { stat, utimes } from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { KeyedMutex } from '../../base/mutex.ts';
import type { ContentStore } from '../../content/content.ts';
import type { RegistryMetadata } from '../local/metadata.ts';

/** What was read in the last so many milliseconds stays: somebody may be about to open it. */
const FRESH = 10_000;
/** Making room, so much of the limit is left free, so that not every fetch has to. */
const SLACK = 0.1;

export interface CacheLimitParts {
  readonly content: ContentStore;
  readonly metadata: Pick<RegistryMetadata, 'repositoriesWith' | 'unlinkBlob' | 'isHeld'>;
  /** The collector's: nobody links a blob while its file goes. */
  readonly fileLock: KeyedMutex;
  readonly log: Logger;
  readonly now: () => number;
  /** Bytes of all blobs that only caches have; `undefined`: any. */
  readonly limit: number | undefined;
  /** Of the caches, as their repositories' names begin. */
  readonly prefixes: readonly string[];
}

interface Cached {
  readonly digest: string;
  readonly size: number;
  readonly used: number;
}

/**
 * Keeps the caches of other registries below a size: the blobs go first that were asked for the longest ago. When that was,
 * a file's access time says, which is set here and outlives a restart; file systems themselves write it once a day
 * at most. Manifests stay: they are small, and say what to fetch again.
 */
export class CacheLimit {
  readonly #parts: CacheLimitParts;
  #running: Promise<void> | undefined;
  #again = false;
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: CacheLimitParts) {
    this.#parts = parts;
  }

  /** A blob was asked for. */
  used(digest: string): void {
    const { content, now, limit } = this.#parts;
    if (limit === undefined) return;
    void (async () => {
      const path = content.path(digest);
      await utimes(path, now() / 1000, (await stat(path)).mtime);
      // It may have gone meanwhile.
    })().catch(() => {});
  }

  /** Makes room after a blob has come, in the background and one round at a time. */
  grown(): void {
    if (this.#parts.limit === undefined) return;
    this.#again = true;
    this.#running ??= this.#rounds().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when no round runs; no other begins by itself. */
  async close(): Promise<void> {
    await this.#running;
    clearTimeout(this.#later);
  }

  async #rounds(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#makeRoom().catch((error: unknown) => {
        this.#parts.log.warn('making room in the caches of other registries', { error: messageOf(error) });
      });
    }
  }

  async #makeRoom(): Promise<void> {
    const { limit = 0, log, now } = this.#parts;
    const cached = await this.#cached();
    let total = cached.reduce((sum, { size }) => sum + size, 0);
    if (total <= limit) return;
    const before = total;
    for (const { digest, size, used } of cached.sort((a, b) => a.used - b.used)) {
      if (total <= limit * (1 - SLACK)) break;
      if (used > now() - FRESH) {
        clearTimeout(this.#later);
        this.#later = setTimeout(() => this.grown(), FRESH);
        this.#later.unref();
        break;
      }
      if (await this.#evict(digest)) total -= size;
    }
    log.info('made room in the caches of other registries', { limit, before, bytes: total });
  }

  /** What caches have and nobody has pushed here. */
  async #cached(): Promise<Cached[]> {
    const { content } = this.#parts;
    const cached: Cached[] = [];
    for await (const { digest, size } of content.list()) {
      if (!this.#isCached(digest)) continue;
      const facts = await stat(content.path(digest)).catch(() => undefined);
      if (facts !== undefined) cached.push({ digest, size, used: facts.atimeMs });
    }
    return cached;
  }

  #isCached(digest: string): boolean {
    const { metadata, prefixes } = this.#parts;
    const repositories = metadata.repositoriesWith(digest);
    const inCache = (name: string) => prefixes.some((prefix) => name.startsWith(`${prefix}/`));
    return repositories.length > 0 && repositories.every(inCache);
  }

  /** False when it is somebody's now. */
  #evict(digest: string): Promise<boolean> {
    const { content, metadata, fileLock } = this.#parts;
    return fileLock.run(digest, async () => {
      if (!this.#isCached(digest)) return false;
      // Rows first: after a crash the collector finds the file that no row names.
      for (const repository of metadata.repositoriesWith(digest)) metadata.unlinkBlob(repository, digest);
      if (metadata.isHeld(digest)) return false;
      await content.remove(digest);
      return true;
    });
  }
}
