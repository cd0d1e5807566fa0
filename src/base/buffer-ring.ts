/** Buffers that are kept while nobody has them. */
const KEPT = 4;

/**
 * Buffers of one length that come back: to Workers and from them. A new one costs more than what is copied into it, as
 * the kernel has to find and clear its pages.
 */
export class BufferRing {
  readonly #length: number;
  #free: Uint8Array<ArrayBuffer>[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  /** One that nobody has, with whatever was in it. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(this.#length);
  }

  /** Nobody reads it any more. One of another length, or one too many, is left to the collector. */
  giveBack(buffer: Uint8Array<ArrayBuffer>): void {
    const fits = buffer.byteLength === this.#length && buffer.byteLength === buffer.buffer.byteLength;
    if (fits && this.#free.length < KEPT) this.#free.push(buffer);
  }

  /** Gives the memory of those that nobody has back at once. */
  clear(): void {
    for (const { buffer } of this.#free.splice(0)) buffer.transfer(0);
  }
}
