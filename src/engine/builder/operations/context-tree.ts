import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { type ByteString, toByteString, toText } from '../../../archive/byte-string.ts';

/** Bytes of a file that is read at once. */
const SMALL = 1024 * 1024;

/** A context as it lies in a directory of this host, while nobody changes it. */
export class ContextTree {
  /** Absolute. */
  readonly path: string;
  readonly #known: ((path: string) => string | undefined) | undefined;
  readonly #digests = new Map<ByteString, Promise<string>>();

  /** The Dockerfile's text, when it was read while the context was brought here. */
  readonly dockerfile: string | undefined;

  /** `known`: digests of files that somebody has computed already. */
  constructor(path: string, known?: (path: string) => string | undefined, dockerfile?: string) {
    this.path = path;
    this.#known = known;
    this.dockerfile = dockerfile;
  }

  /** The root as a byte string. */
  get root(): ByteString {
    return toByteString(this.path);
  }

  /** Hex SHA-256 of a regular file's bytes; `path` is relative to the root. Computed once. */
  digestOf(path: ByteString, size: number): string | Promise<string> {
    const known = this.#known?.(toText(path));
    if (known !== undefined) return known;
    let digest = this.#digests.get(path);
    if (!digest) {
      digest = this.#compute(path, size);
      this.#digests.set(path, digest);
    }
    return digest;
  }

  async #compute(path: ByteString, size: number): Promise<string> {
    const hash = createHash('sha256');
    const name = Buffer.from(`${this.root}/${path}`, 'latin1');
    if (size <= SMALL) hash.update(readFileSync(name));
    else for await (const piece of createReadStream(name, { highWaterMark: SMALL })) hash.update(piece);
    return hash.digest('hex');
  }
}
