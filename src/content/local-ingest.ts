import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TareError } from '../base/errors.ts';
import { fromNodeError } from '../kernel/errno.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { createDigester, type DigestAlgorithm, type Digester, parseDigest } from '../oci/digest.ts';
import type { Ingest } from './content.ts';

/** After so many bytes their way to the disk is started, so that the final fsync has little left to do. */
const WRITE_OUT = 16 * 1024 * 1024;
const READ_PIECE = 1024 * 1024;

interface IngestParts {
  readonly handle: FileHandle;
  readonly directory: string;
  readonly algorithm: DigestAlgorithm;
  readonly release: () => void;
  /** Where a blob belongs. */
  readonly fileOf: (digest: string) => string;
}

/** One blob that is being written to `directory/data`, hashed as it comes. */
export class LocalIngest implements Ingest {
  readonly #parts: IngestParts;
  readonly #digester: Digester;
  #offset = 0;
  #sinceWriteOut = 0;
  #writeOut: Promise<void> | undefined;
  #closed = false;

  private constructor(parts: IngestParts, digester: Digester) {
    this.#parts = parts;
    this.#digester = digester;
  }

  /** Opens an ingest and hashes what an earlier try left. */
  static async resume(parts: IngestParts): Promise<LocalIngest> {
    const digester = createDigester(parts.algorithm);
    const ingest = new LocalIngest(parts, digester);
    const { handle } = parts;
    try {
      for await (const chunk of piecesOf(handle)) {
        digester.update(chunk);
        ingest.#offset += chunk.byteLength;
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    return ingest;
  }

  get offset(): number {
    return this.#offset;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#closed) throw new TareError('internal', 'write to a closed ingest');
    try {
      let at = 0;
      while (at < chunk.byteLength) {
        // Opened for appending: the position is the end.
        const { bytesWritten } = await this.#parts.handle.write(chunk, at, chunk.byteLength - at, null);
        this.#digester.update(chunk.subarray(at, at + bytesWritten));
        at += bytesWritten;
        this.#offset += bytesWritten;
      }
    } catch (error) {
      throw fromNodeError(error, 'cannot write a blob');
    }
    this.#sinceWriteOut += chunk.byteLength;
    if (this.#sinceWriteOut >= WRITE_OUT && this.#writeOut === undefined) {
      this.#sinceWriteOut = 0;
      this.#writeOut = this.#parts.handle
        .datasync()
        // The fsync at the end reports what is wrong.
        .catch(() => {})
        .finally(() => {
          this.#writeOut = undefined;
        });
    }
  }

  async commit(expected: { digest?: string; size?: number; mediaType?: string }): Promise<Descriptor> {
    if (this.#closed) throw new TareError('internal', 'commit of a closed ingest');
    const { handle, directory, algorithm, fileOf } = this.#parts;
    const size = this.#offset;
    if (expected.size !== undefined && expected.size !== size) {
      await this.abort();
      throw new TareError('corrupt', `the blob has ${size} bytes, but ${expected.size} were promised`);
    }
    const wanted = expected.digest === undefined ? algorithm : parseDigest(expected.digest).algorithm;
    const digest = wanted === algorithm ? this.#digester.digest() : await digestFile(handle, wanted);
    if (expected.digest !== undefined && digest !== expected.digest) {
      await this.abort();
      throw new TareError('corrupt', `the blob's digest is ${digest}, but ${expected.digest} was promised`);
    }
    try {
      await this.#writeOut;
      await handle.sync();
      const target = fileOf(digest);
      await rename(`${directory}/data`, target);
      await syncDirectory(dirname(target));
      await rm(directory, { recursive: true, force: true });
      await this.close();
    } catch (error) {
      await this.abort();
      throw fromNodeError(error, `cannot store the blob ${digest}`);
    }
    return { mediaType: expected.mediaType ?? 'application/octet-stream', digest, size };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#writeOut;
      await this.#parts.handle.close();
    } finally {
      this.#parts.release();
    }
  }

  async abort(): Promise<void> {
    // Once closed, somebody else may have opened the same key.
    if (this.#closed) return;
    // Deleted before the key is free again.
    await rm(this.#parts.directory, { recursive: true, force: true });
    await this.close().catch(() => {});
  }
}

async function* piecesOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(READ_PIECE);
  for (let position = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, READ_PIECE, position);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}

async function digestFile(handle: FileHandle, algorithm: DigestAlgorithm): Promise<string> {
  const digester = createDigester(algorithm);
  for await (const chunk of piecesOf(handle)) digester.update(chunk);
  return digester.digest();
}

/** Makes a rename durable. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
