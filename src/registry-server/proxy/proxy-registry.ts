import { isKind, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { digestOf, parseDigest } from '../../oci/digest.ts';
import type { LocalRegistry } from '../local/local-registry.ts';
import { readPushedManifest } from '../local/manifest-intake.ts';
import { kindOfReference } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type {
  Page,
  ReferrerDescriptor,
  RegistryReader,
  Slice,
  StoredBlob,
  StoredManifest,
} from '../registry-server.ts';
import { BlobFetches, type BlobFetchParts } from './blob-fetch.ts';
import type { UpstreamManifest } from './upstream.ts';

/** After upstream did not answer, the cache answers alone for so long, in milliseconds. */
const AWAY_TERM = 20_000;

export interface ProxyParts extends BlobFetchParts {
  /** Its repositories are stored as `prefix/REPOSITORY`. */
  readonly prefix: string;
  readonly local: LocalRegistry;
  readonly log: Logger;
  readonly now: () => number;
  /** Hears whether the cache had what was asked for. */
  readonly count: (outcome: 'hit' | 'miss' | 'stale') => void;
}

/**
 * A pull-through cache of one upstream. What a digest names is fetched once. A tag is asked for upstream each time; while
 * upstream is away, the cache answers with what the tag was last.
 */
export class ProxyRegistry implements RegistryReader {
  readonly #parts: ProxyParts;
  readonly #fetches: BlobFetches;
  readonly #manifests = new Map<string, Promise<StoredManifest | undefined>>();
  #awayUntil = 0;

  constructor(parts: ProxyParts) {
    this.#parts = parts;
    this.#fetches = new BlobFetches(parts);
  }

  close(): Promise<void> {
    return this.#fetches.settle();
  }

  #place(repository: string): string {
    return `${this.#parts.prefix}/${repository}`;
  }

  async manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const { local, count } = this.#parts;
    const kind = kindOfReference(reference);
    if (kind === 'neither') return undefined;
    const place = this.#place(repository);
    if (kind === 'digest') {
      const stored = await local.manifest(place, reference);
      if (stored !== undefined) {
        count('hit');
        return stored;
      }
    }
    const key = `${place}\n${reference}`;
    const running = this.#manifests.get(key);
    if (running !== undefined) return running;
    const asked = this.#ask(repository, reference).finally(() => this.#manifests.delete(key));
    this.#manifests.set(key, asked);
    return asked;
  }

  async #ask(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const { upstream, local, count } = this.#parts;
    const place = this.#place(repository);
    const byTag = kindOfReference(reference) === 'tag';
    const current = byTag ? await local.manifest(place, reference) : undefined;
    let found: UpstreamManifest | 'unchanged' | undefined;
    try {
      found = await this.#unlessAway(() => upstream.manifest(repository, reference, current?.digest));
    } catch (error) {
      if (current === undefined || !isAway(error)) throw error;
      count('stale');
      return current;
    }
    if (found === 'unchanged') {
      count('hit');
      return current;
    }
    if (found === undefined) {
      if (byTag) local.deleteTag(place, reference);
      return undefined;
    }
    count('miss');
    const digest = digestOf(found.bytes, byTag ? 'sha256' : parseDigest(reference).algorithm);
    if (!byTag && digest !== reference) {
      throw new TareError('unavailable', `upstream answered ${reference} with ${digest}`);
    }
    const read = readPushedManifest(found.bytes, found.mediaType, digest);
    await local.storeManifest(place, digest, read, found.bytes, byTag ? [reference] : []);
    return local.manifest(place, digest);
  }

  async blob(
    repository: string,
    digest: string,
    wanted: 'size' | 'content',
  ): Promise<StoredBlob | undefined> {
    const { upstream, local, count, cacheLimit } = this.#parts;
    const place = this.#place(repository);
    const stored = await local.blob(place, digest);
    if (stored !== undefined) {
      count('hit');
      cacheLimit.used(digest);
      return stored;
    }
    count('miss');
    if (wanted === 'size') {
      const found = await this.#unlessAway(() => upstream.blob(repository, digest, 0));
      found?.discard();
      return found?.size === undefined ? undefined : { digest, size: found.size, source: { kind: 'none' } };
    }
    const fetched = await this.#unlessAway(() => this.#fetches.fetch(place, repository, digest));
    if (fetched === undefined) return undefined;
    return { digest, size: fetched.size, source: { kind: 'stream', open: () => fetched.read() } };
  }

  async tags(repository: string, page: Page): Promise<Slice | undefined> {
    return this.#orCached(
      () => this.#parts.upstream.tags(repository, page),
      () => this.#parts.local.tags(this.#place(repository), page),
    );
  }

  /** Upstreams cannot be asked for all they have: what is cached. */
  repositories(page: Page): Promise<Slice> {
    return this.#parts.local.repositories(page);
  }

  async referrers(repository: string, subject: string): Promise<readonly ReferrerDescriptor[]> {
    return this.#orCached(
      () => this.#parts.upstream.referrers(repository, subject),
      () => this.#parts.local.referrers(this.#place(repository), subject),
    );
  }

  async #orCached<T>(ask: () => Promise<T>, cached: () => Promise<T>): Promise<T> {
    try {
      return await this.#unlessAway(ask);
    } catch (error) {
      if (!isAway(error)) throw error;
      return cached();
    }
  }

  /** Asks upstream, unless it did not answer a moment ago. */
  async #unlessAway<T>(ask: () => Promise<T>): Promise<T> {
    const { now, prefix, log } = this.#parts;
    if (now() < this.#awayUntil) {
      throw new RegistryError('MANIFEST_UNKNOWN', {
        status: 503,
        message: `${prefix} does not answer at the moment`,
        headers: { 'Retry-After': '20' },
      });
    }
    try {
      return await ask();
    } catch (error) {
      if (isAway(error)) {
        this.#awayUntil = now() + AWAY_TERM;
        log.warn('upstream is away, the cache answers', { upstream: prefix, error });
      }
      throw error;
    }
  }
}

function isAway(error: unknown): boolean {
  return (error instanceof RegistryError && error.status === 503) || isKind(error, 'unavailable', 'timeout');
}
