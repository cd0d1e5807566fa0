import { createHash } from 'node:crypto';
import { TareError } from '../../base/errors.ts';

/** Hashes a layer's tar with the algorithm of the digest that is expected (SHA-256 when none is). */
export class LayerDigest {
  readonly #expected: string | undefined;
  readonly #algorithm: 'sha256' | 'sha512';
  readonly #hash: ReturnType<typeof createHash>;
  /** Bytes so far. */
  bytes = 0;

  constructor(expected: string | undefined) {
    this.#expected = expected;
    this.#algorithm = expected?.startsWith('sha512:') ? 'sha512' : 'sha256';
    this.#hash = createHash(this.#algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.bytes += chunk.byteLength;
  }

  /** The diff id. Throws `corrupt` when another was promised. */
  finish(): string {
    const diffId = `${this.#algorithm}:${this.#hash.digest('hex')}`;
    if (this.#expected !== undefined && diffId !== this.#expected) {
      throw new TareError('corrupt', `the layer's digest is ${diffId}, but ${this.#expected} was promised`);
    }
    return diffId;
  }
}
