import type { Descriptor } from '../oci/descriptor.ts';

/**
 * The content store holds immutable byte strings (*blobs*) by digest: manifests, image configs and layers in
 * their compressed form. A blob is visible only when it is complete, its digest and size were checked and it is
 * durable; until then it is an *ingest*, named by a caller's key, that survives a crash and can be resumed.
 *
 * Example: a pull writes a layer. `const ingest = await store.ingest('pull:sha256:ab…')`; bytes go in by
 * `write`; `await ingest.commit({ digest, size })` checks, fsyncs and renames; from then on `store.path(digest)`
 * is the file. A wrong digest throws `corrupt` and the ingest is gone.
 */
export interface ContentStore {
  /** Size in bytes, or undefined if the blob is not there. */
  size(digest: string): number | undefined;
  /** Absolute path of a blob's file; throws `not-found`. */
  path(digest: string): string;
  /** A whole small blob; throws `not-found`, or `invalid` when it is larger than `limit` bytes (default 4 MiB). */
  read(digest: string, limit?: number): Promise<Uint8Array>;
  /** A blob as a stream. */
  stream(digest: string): ReadableStream<Uint8Array>;
  /** Stores a small blob that is in memory and returns its descriptor. */
  put(mediaType: string, bytes: Uint8Array): Promise<Descriptor>;
  /** Opens or resumes the ingest `key`; throws `conflict` when another writer has it open. */
  ingest(key: string): Promise<Ingest>;
  /** Removes a blob if it is there; it is gone for everybody as soon as this is called. */
  remove(digest: string): Promise<void>;
  /** All blobs. */
  list(): AsyncIterable<{ digest: string; size: number }>;
  /** Removes ingests that nobody has open, at start-up; those whose key `keeps` knows stay. */
  sweep(keeps?: (key: string) => boolean): Promise<void>;
}

/** A blob that is being written. */
export interface Ingest {
  /** Bytes written so far; after a resume more than 0. */
  readonly offset: number;
  write(chunk: Uint8Array): Promise<void>;
  /** Checks, makes durable and visible. Throws `corrupt` on a wrong digest or size. Idempotent per digest. */
  commit(expected: { digest?: string; size?: number; mediaType?: string }): Promise<Descriptor>;
  /** Closes and keeps what was written for a later resume. */
  close(): Promise<void>;
  /** Closes and deletes. */
  abort(): Promise<void>;
}
