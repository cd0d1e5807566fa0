import { TareError } from '../../src/base/errors.ts';
import type { ContentStore, Ingest } from '../../src/content/content.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, parseDigest } from '../../src/oci/digest.ts';

/** A content store in memory, with the contract's promises; for tests of what writes into one. */
export class MemoryContent implements ContentStore {
  readonly blobs = new Map<string, Uint8Array>();
  readonly partial = new Map<string, Uint8Array[]>();
  readonly open = new Set<string>();
  /** When set, the next writes fail with it. */
  writeError: Error | undefined;

  size(digest: string): number | undefined {
    return this.blobs.get(digest)?.byteLength;
  }

  path(digest: string): string {
    return `/memory/${digest}`;
  }

  async read(digest: string, limit = 4 * 1024 * 1024): Promise<Uint8Array> {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) throw new TareError('not-found', `no blob ${digest}`);
    if (bytes.byteLength > limit) throw new TareError('invalid', `blob ${digest} is too large`);
    return bytes;
  }

  stream(digest: string): ReadableStream<Uint8Array> {
    return new Blob([Buffer.from(this.blobs.get(digest) ?? [])]).stream();
  }

  async put(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  }

  async ingest(key: string): Promise<Ingest> {
    if (this.open.has(key)) throw new TareError('conflict', `ingest ${key} is open`);
    this.open.add(key);
    const chunks = this.partial.get(key) ?? [];
    this.partial.set(key, chunks);
    return new MemoryIngest(this, key, chunks);
  }

  async remove(digest: string): Promise<void> {
    this.blobs.delete(digest);
  }

  async *list(): AsyncIterable<{ digest: string; size: number }> {
    for (const [digest, bytes] of this.blobs) yield { digest, size: bytes.byteLength };
  }

  async sweep(): Promise<void> {
    this.partial.clear();
  }
}

class MemoryIngest implements Ingest {
  readonly #store: MemoryContent;
  readonly #key: string;
  readonly #chunks: Uint8Array[];
  offset: number;

  constructor(store: MemoryContent, key: string, chunks: Uint8Array[]) {
    this.#store = store;
    this.#key = key;
    this.#chunks = chunks;
    this.offset = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#store.writeError !== undefined) throw this.#store.writeError;
    this.#chunks.push(chunk.slice());
    this.offset += chunk.byteLength;
  }

  async commit(expected: { digest?: string; size?: number; mediaType?: string }): Promise<Descriptor> {
    const bytes = new Uint8Array(Buffer.concat(this.#chunks));
    await this.abort();
    const digest = digestOf(bytes, parseDigest(expected.digest ?? digestOf('')).algorithm);
    if (expected.digest !== undefined && digest !== expected.digest) {
      throw new TareError('corrupt', `digest is ${digest}, not ${expected.digest}`);
    }
    if (expected.size !== undefined && bytes.byteLength !== expected.size) {
      throw new TareError('corrupt', `size is ${bytes.byteLength}, not ${expected.size}`);
    }
    this.#store.blobs.set(digest, bytes);
    return { mediaType: expected.mediaType ?? '', digest, size: bytes.byteLength };
  }

  async close(): Promise<void> {
    this.#store.open.delete(this.#key);
  }

  async abort(): Promise<void> {
    this.#store.open.delete(this.#key);
    this.#store.partial.delete(this.#key);
  }
}
