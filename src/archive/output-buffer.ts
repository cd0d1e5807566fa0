/** Size in bytes of the pieces that leave; large ones cost less per byte. */
const PIECE = 1024 * 1024;

/**
 * Collects many small pieces into few large ones. `room` gives space to fill in place; `add` copies. When
 * `full`, the caller takes the piece away.
 */
export class OutputBuffer {
  #buffer = new Uint8Array(PIECE);
  #filled = 0;

  get full(): boolean {
    return this.#filled === PIECE;
  }

  /** The unused rest, to be written in place and reported by `filled`. */
  get room(): Uint8Array {
    return this.#buffer.subarray(this.#filled);
  }

  filled(length: number): void {
    this.#filled += length;
  }

  /** Copies as much as fits and returns how many bytes that were. */
  add(bytes: Uint8Array): number {
    const part = bytes.subarray(0, PIECE - this.#filled);
    this.#buffer.set(part, this.#filled);
    this.#filled += part.byteLength;
    return part.byteLength;
  }

  /** What was collected; the buffer starts anew. */
  take(): Uint8Array {
    const piece = this.#buffer.subarray(0, this.#filled);
    this.#buffer = new Uint8Array(PIECE);
    this.#filled = 0;
    return piece;
  }

  get isEmpty(): boolean {
    return this.#filled === 0;
  }
}
