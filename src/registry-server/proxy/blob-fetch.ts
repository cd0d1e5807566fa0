import { isKind, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ContentStore, Ingest } from '../../content/content.ts';
import type { LocalRegistry } from '../local/local-registry.ts';
import { RegistryError } from '../registry-error.ts';
import type { CacheLimit } from './cache-limit.ts';
import { GrowingBlob } from './growing-blob.ts';
import type { Upstream, UpstreamBlob } from './upstream.ts';

/** Tries to go on after a cut, and the wait before each in milliseconds. */
const ATTEMPTS = 5;
const WAIT = 500;

export interface BlobFetchParts {
  readonly upstream: Upstream;
  readonly local: LocalRegistry;
  readonly content: ContentStore;
  readonly log: Logger;
  /** Largest blob in bytes. */
  readonly maxSize: number;
  /** Of all caches together. */
  readonly cacheLimit: Pick<CacheLimit, 'used' | 'grown'>;
}

export interface FetchedBlob {
  readonly size: number;
  read(): ReadableStream<Uint8Array>;
}

/**
 * Fetches blobs into the cache, each once however many ask for it at once. A fetch goes on when its readers leave, and
 * what a crash left of one is where the next begins.
 */
export class BlobFetches {
  readonly #parts: BlobFetchParts;
  readonly #running = new Map<string, Promise<FetchedBlob | undefined>>();
  readonly #work = new Set<Promise<void>>();

  constructor(parts: BlobFetchParts) {
    this.#parts = parts;
  }

  /** `place` is the name of the cache's repository, `path` the upstream's. Undefined: upstream has no such blob. */
  fetch(place: string, path: string, digest: string): Promise<FetchedBlob | undefined> {
    const key = `${place}\n${digest}`;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const forget = () => this.#running.delete(key);
    const started = this.#start(place, path, digest, forget);
    this.#running.set(key, started);
    started.then((blob) => blob ?? forget(), forget);
    return started;
  }

  /** Ends when all fetches have. */
  async settle(): Promise<void> {
    await Promise.all(this.#work);
  }

  async #start(
    place: string,
    path: string,
    digest: string,
    forget: () => void,
  ): Promise<FetchedBlob | undefined> {
    const { upstream, local, content, maxSize } = this.#parts;
    const ingest = await content.ingest(`pull:${place}:${digest}`);
    try {
      const answer = await upstream.blob(path, digest, ingest.offset);
      if (answer === undefined) {
        await ingest.abort();
        return undefined;
      }
      const size = content.size(digest) ?? answer.size;
      if (size === undefined || size > maxSize) {
        answer.discard();
        throw new TareError(
          'unavailable',
          `upstream does not say how large ${digest} is, or it is too large`,
        );
      }
      if (await local.adoptStored(place, digest)) {
        answer.discard();
        await ingest.abort();
        forget();
        return { size, read: () => content.stream(digest) };
      }
      const growing = new GrowingBlob(size, ingest.offset);
      const work = this.#receive({ place, path, digest, ingest, growing }, answer).finally(() => {
        forget();
        this.#work.delete(work);
      });
      this.#work.add(work);
      return { size, read: () => growing.read() };
    } catch (error) {
      await ingest.close();
      throw error;
    }
  }

  async #receive(blob: Receiving, first: UpstreamBlob): Promise<void> {
    const { local, content, log, cacheLimit } = this.#parts;
    const { place, digest, ingest, growing } = blob;
    try {
      await this.#copy(blob, first);
      await local.adoptIngest(place, digest, ingest);
      growing.complete(() => content.stream(digest));
      cacheLimit.grown();
    } catch (error) {
      // Kept for the next try, unless the commit found it wrong.
      await ingest.close().catch(() => {});
      log.warn('fetching a blob from upstream', { repository: place, digest, error });
      growing.fail(error);
    }
  }

  async #copy({ path, digest, ingest, growing }: Receiving, first: UpstreamBlob): Promise<void> {
    const { upstream, maxSize } = this.#parts;
    let answer: UpstreamBlob | undefined = first;
    for (let attempt = 1; ; attempt++) {
      const before = ingest.offset;
      try {
        let skip = ingest.offset - answer.offset;
        for await (const piece of answer.body()) {
          const chunk = piece.subarray(Math.min(skip, piece.byteLength));
          skip -= piece.byteLength - chunk.byteLength;
          if (chunk.byteLength === 0) continue;
          if (ingest.offset + chunk.byteLength > maxSize) throw new RegistryError('SIZE_INVALID');
          await ingest.write(chunk);
          growing.add(chunk);
        }
        return;
      } catch (error) {
        if (!isKind(error, 'unavailable', 'timeout')) throw error;
        // What makes progress may be cut any number of times.
        if (ingest.offset > before) attempt = 1;
        if (attempt >= ATTEMPTS) throw error;
        await Bun.sleep(WAIT * attempt);
        answer = await upstream.blob(path, digest, ingest.offset);
        if (answer === undefined) throw error;
      }
    }
  }
}

interface Receiving {
  readonly place: string;
  readonly path: string;
  readonly digest: string;
  readonly ingest: Ingest;
  readonly growing: GrowingBlob;
}
