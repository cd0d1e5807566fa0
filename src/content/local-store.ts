import { chmodSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { TareError } from '../base/errors.ts';
import { streamOf } from '../base/streams.ts';
import { codeOf, fromNodeError } from '../kernel/errno.ts';
import { filePieces } from '../kernel/file-pieces.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type DigestAlgorithm, digestOf, parseDigest } from '../oci/digest.ts';
import type { ContentStore, Ingest } from './content.ts';
import { LocalIngest } from './local-ingest.ts';

const ALGORITHMS: readonly DigestAlgorithm[] = ['sha256', 'sha512'];
/** How long a half-made download is kept for a resume, in milliseconds. */
const RESUMABLE = 24 * 3600 * 1000;

/**
 * The content store on a directory: `blobs/ALGORITHM/HEX` and `ingest/HASH-OF-KEY/{key,data}`. Within one daemon
 * two writers of one key exclude each other; the daemon's lock keeps other daemons away.
 */
export class LocalContentStore implements ContentStore {
  readonly #root: string;
  readonly #open = new Set<string>();

  /** `root` is made if missing. */
  constructor(root: string) {
    this.#root = root;
    // Images may hold secrets: none of it is for other users of the machine.
    mkdirSync(root, { recursive: true, mode: 0o700 });
    chmodSync(root, 0o700);
    for (const algorithm of ALGORITHMS) mkdirSync(`${root}/blobs/${algorithm}`, { recursive: true });
    mkdirSync(`${root}/ingest`, { recursive: true, mode: 0o700 });
  }

  #file(digest: string): string {
    const { algorithm, hex } = parseDigest(digest);
    return `${this.#root}/blobs/${algorithm}/${hex}`;
  }

  size(digest: string): number | undefined {
    try {
      return statSync(this.#file(digest)).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw fromNodeError(error, `cannot look for the blob ${digest}`);
    }
  }

  path(digest: string): string {
    if (this.size(digest) === undefined) throw missing(digest);
    return this.#file(digest);
  }

  async read(digest: string, limit = 4 * 1024 * 1024): Promise<Uint8Array> {
    const size = this.size(digest);
    if (size === undefined) throw missing(digest);
    if (size > limit) {
      throw new TareError('invalid', `the blob ${digest} has ${size} bytes, more than ${limit} are not read`);
    }
    return readFile(this.#file(digest)).catch((error: unknown) => {
      throw fromNodeError(error, `cannot read the blob ${digest}`);
    });
  }

  stream(digest: string): ReadableStream<Uint8Array> {
    const path = this.path(digest);
    // Opened at the first read: a stream that nobody reads holds no descriptor.
    return streamOf(filePieces(path));
  }

  async put(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    const digest = digestOf(bytes);
    const descriptor = { mediaType, digest, size: bytes.byteLength };
    if (this.size(digest) === bytes.byteLength) return descriptor;
    // A key of its own, for the same blob may be put twice at once.
    const ingest = await this.ingest(`put:${digest}:${crypto.randomUUID()}`);
    try {
      await ingest.write(bytes);
      return await ingest.commit({ digest, size: bytes.byteLength, mediaType });
    } catch (error) {
      await ingest.abort();
      throw error;
    }
  }

  async ingest(key: string): Promise<Ingest> {
    if (this.#open.has(key)) throw new TareError('conflict', `the ingest ${key} is being written already`);
    this.#open.add(key);
    const release = (): void => {
      this.#open.delete(key);
    };
    const directory = this.#ingestDirectory(key);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFile(`${directory}/key`, key);
      const handle = await open(`${directory}/data`, 'a+');
      const algorithm = key.includes('sha512:') ? 'sha512' : 'sha256';
      return await LocalIngest.resume({
        handle,
        directory,
        algorithm,
        release,
        fileOf: (d) => this.#file(d),
      });
    } catch (error) {
      release();
      throw fromNodeError(error, `cannot open the ingest ${key}`);
    }
  }

  #ingestDirectory(key: string): string {
    return `${this.#root}/ingest/${digestOf(key).slice('sha256:'.length)}`;
  }

  async remove(digest: string): Promise<void> {
    try {
      // At once: between a look that finds the blob and its removal nobody else may have looked.
      unlinkSync(this.#file(digest));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw fromNodeError(error, `cannot remove the blob ${digest}`);
    }
  }

  async *list(): AsyncGenerator<{ digest: string; size: number }> {
    for (const algorithm of ALGORITHMS) {
      for (const hex of await readdir(`${this.#root}/blobs/${algorithm}`)) {
        const digest = `${algorithm}:${hex}`;
        const size = this.size(digest);
        if (size !== undefined) yield { digest, size };
      }
    }
  }

  /** Removes what nobody has open; downloads of the last day stay, for the next pull to go on with. */
  async sweep(keeps: (key: string) => boolean = () => false): Promise<void> {
    for (const name of await readdir(`${this.#root}/ingest`)) {
      const directory = `${this.#root}/ingest/${name}`;
      const key = await readFile(`${directory}/key`, 'utf8').catch(() => '');
      if (key !== '' && (this.#open.has(key) || keeps(key))) continue;
      const age = await stat(`${directory}/data`).then(
        (status) => Date.now() - status.mtimeMs,
        () => Number.POSITIVE_INFINITY,
      );
      if (key.startsWith('pull:') && age < RESUMABLE) continue;
      // Renamed first, so that an ingest of the same key that begins now is not deleted under its writer.
      const trash = `${this.#root}/ingest/.${name}`;
      await rename(directory, trash).catch(() => {});
      await rm(trash, { recursive: true, force: true });
    }
  }
}

function missing(digest: string): TareError {
  return new TareError('not-found', `no such blob: ${digest}`);
}
