/** Whether two streams of bytes, cut into pieces anyhow, are the same. Ends both at the first difference. */
export async function sameBytes(
  left: AsyncIterable<Uint8Array>,
  right: AsyncIterable<Uint8Array>,
): Promise<boolean> {
  const one = new Pieces(left);
  const other = new Pieces(right);
  try {
    for (;;) {
      const [a, b] = [await one.front(), await other.front()];
      const length = Math.min(a.byteLength, b.byteLength);
      // Both are at their end, or only one is.
      if (length === 0) return a.byteLength === b.byteLength;
      if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) !== 0) return false;
      one.drop(length);
      other.drop(length);
    }
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

class Pieces {
  readonly #source: AsyncIterator<Uint8Array>;
  #front: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** What comes next; empty at the end. */
  async front(): Promise<Uint8Array> {
    while (this.#front.byteLength === 0 && !this.#ended) {
      const next = await this.#source.next();
      if (next.done) this.#ended = true;
      else this.#front = next.value;
    }
    return this.#front;
  }

  drop(length: number): void {
    this.#front = this.#front.subarray(length);
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#source.return?.();
  }
}
