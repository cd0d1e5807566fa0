import type { Logger } from '../../base/log.ts';
import type { ContentStore, Ingest } from '../../content/content.ts';
import type { DigestAlgorithm } from '../../oci/digest.ts';
import { RegistryError } from '../registry-error.ts';
import type { UploadChunk } from '../registry-server.ts';
import type { RegistryMetadata, UploadRow } from './metadata.ts';

/** An upload that nobody writes to keeps its file open for so long, in milliseconds; reopening hashes it again. */
const OPEN_TERM = 60_000;

export interface UploadParts {
  readonly content: ContentStore;
  readonly metadata: RegistryMetadata;
  readonly now: () => number;
  readonly log: Logger;
  /** Largest blob in bytes. */
  readonly maxSize: number;
  /** After so many milliseconds without a request an upload is forgotten. */
  readonly expiry: number;
}

/** The state of an upload that was used since the start. */
interface Live {
  readonly repository: string;
  ingest: Promise<Ingest> | undefined;
  usedAt: number;
  /** Ends the request that is writing; resolves when it has. */
  takeOver: (() => Promise<void>) | undefined;
}

/**
 * Uploads by id. An upload is a row and, once bytes came, an ingest of the content store: both survive the end of
 * the program, so a client goes on where it was. Of two requests that write to one upload the newer wins: the older
 * is usually one whose connection broke without the server having noticed yet.
 */
export class Uploads {
  readonly #parts: UploadParts;
  readonly #live = new Map<string, Live>();

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  get active(): number {
    return this.#live.size;
  }

  /** True while a request writes to an upload of the repository. */
  isWriting(repository: string): boolean {
    for (const live of this.#live.values()) {
      if (live.repository === repository && live.takeOver !== undefined) return true;
    }
    return false;
  }

  start(repository: string, algorithm: DigestAlgorithm): string {
    const id = crypto.randomUUID();
    this.#parts.metadata.putUpload({ id, repository, algorithm, touchedAt: this.#parts.now() });
    return id;
  }

  async offset(repository: string, id: string): Promise<number> {
    const row = this.#row(repository, id);
    const ingest = await this.#live.get(id)?.ingest;
    if (ingest !== undefined) return ingest.offset;
    return this.#write(row, async (ingest) => ingest.offset);
  }

  append(repository: string, id: string, chunk: UploadChunk): Promise<number> {
    const row = this.#row(repository, id);
    return this.#write(row, async (ingest, stopped) => {
      await this.receive(ingest, chunk, stopped, id);
      this.#parts.metadata.touchUpload(id, this.#parts.now());
      return ingest.offset;
    });
  }

  /** Appends the last chunk and hands the ingest to `commit`, which ends it either way. */
  finish(
    repository: string,
    id: string,
    chunk: UploadChunk,
    commit: (ingest: Ingest) => Promise<void>,
  ): Promise<void> {
    const row = this.#row(repository, id);
    return this.#write(row, async (ingest, stopped) => {
      await this.receive(ingest, chunk, stopped, id);
      try {
        await commit(ingest);
      } finally {
        this.#live.delete(id);
        this.#parts.metadata.deleteUpload(id);
      }
    });
  }

  async cancel(repository: string, id: string): Promise<void> {
    const row = this.#row(repository, id);
    await this.#write(row, async (ingest) => {
      await ingest.abort();
      this.#live.delete(id);
      this.#parts.metadata.deleteUpload(id);
    });
  }

  /** Closes what was not used for a minute, forgets what has expired. */
  async sweep(): Promise<void> {
    const now = this.#parts.now();
    for (const [id, live] of this.#live) {
      if (live.takeOver !== undefined || now - live.usedAt < OPEN_TERM) continue;
      this.#live.delete(id);
      await (await live.ingest)?.close();
    }
    for (const row of this.#parts.metadata.uploads()) {
      if (now - row.touchedAt < this.#parts.expiry || this.#live.has(row.id)) continue;
      this.#parts.log.info('upload expired', { id: row.id, repository: row.repository });
      await this.cancel(row.repository, row.id).catch((error) => {
        this.#parts.log.warn('forgetting an upload', { id: row.id, error });
      });
    }
  }

  /** Closes all files; what was received stays for after the next start. */
  async close(): Promise<void> {
    for (const live of this.#live.values()) {
      await live.takeOver?.();
      await (await live.ingest)?.close();
    }
    this.#live.clear();
  }

  #row(repository: string, id: string): UploadRow {
    const row = this.#parts.metadata.upload(id);
    if (row?.repository === repository) return row;
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', { detail: { id } });
  }

  async #write<T>(row: UploadRow, body: (ingest: Ingest, stopped: AbortSignal) => Promise<T>): Promise<T> {
    const { id } = row;
    const live = this.#live.get(id) ?? {
      repository: row.repository,
      ingest: undefined,
      usedAt: 0,
      takeOver: undefined,
    };
    this.#live.set(id, live);
    const controller = new AbortController();
    const ended = Promise.withResolvers<void>();
    const before = live.takeOver;
    const takeOver = (): Promise<void> => {
      controller.abort();
      return ended.promise;
    };
    live.takeOver = takeOver;
    try {
      await before?.();
      // What took over may have ended the upload.
      this.#row(row.repository, id);
      live.ingest ??= this.#parts.content.ingest(ingestKey(row));
      const ingest = await live.ingest.catch((error: unknown) => {
        live.ingest = undefined;
        throw error;
      });
      return await body(ingest, controller.signal);
    } finally {
      live.usedAt = this.#parts.now();
      if (live.takeOver === takeOver) live.takeOver = undefined;
      if (live.takeOver === undefined && live.ingest === undefined) this.#live.delete(id);
      ended.resolve();
    }
  }

  /** Writes a request's bytes. Throws SIZE_INVALID, or BLOB_UPLOAD_INVALID with 416 for a chunk out of order. */
  async receive(ingest: Ingest, chunk: UploadChunk, stopped?: AbortSignal, id?: string): Promise<void> {
    const begin = ingest.offset;
    if (chunk.start !== undefined && chunk.start !== begin) {
      throw new RegistryError('BLOB_UPLOAD_INVALID', {
        status: 416,
        message: `the chunk begins at ${chunk.start}, but the upload stands at ${begin}`,
        detail: { id, offset: begin },
      });
    }
    const { maxSize } = this.#parts;
    const tooLarge = () =>
      new RegistryError('SIZE_INVALID', {
        status: 413,
        message: `the blob is larger than the ${maxSize} bytes that this registry accepts`,
      });
    if (begin + (chunk.length ?? 0) > maxSize) throw tooLarge();
    for await (const bytes of untilStopped(chunk.body, stopped)) {
      if (ingest.offset + bytes.byteLength > maxSize) throw tooLarge();
      await ingest.write(bytes);
    }
    const received = ingest.offset - begin;
    if (chunk.length !== undefined && received !== chunk.length) {
      throw new RegistryError('SIZE_INVALID', {
        message: `${chunk.length} bytes were promised, but ${received} came`,
      });
    }
  }
}

export function ingestKey({ id, algorithm }: Pick<UploadRow, 'id' | 'algorithm'>): string {
  return `upload:${algorithm}:${id}`;
}

/** A request's bytes, until another request takes the upload over. */
async function* untilStopped(
  body: ReadableStream<Uint8Array> | null,
  stopped: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  // A pending read then ends, also when its connection never says that it is gone.
  const stop = (): void => void reader.cancel().catch(() => {});
  stopped?.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      if (stopped?.aborted) {
        const message = 'another request goes on with this upload';
        throw new RegistryError('BLOB_UPLOAD_INVALID', { status: 409, message });
      }
      const next = await reader.read();
      if (!next.done) yield next.value;
      else if (!stopped?.aborted) return;
    }
  } finally {
    stopped?.removeEventListener('abort', stop);
    void reader.cancel().catch(() => {});
  }
}
