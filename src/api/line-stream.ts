import type { Exchange } from './exchange.ts';

/** Bytes that are gathered before they are written at once. */
const BATCH_BYTES = 64 * 1024;

/**
 * An answer that grows bit by bit (events, progress, logs). What is added within one turn of the event loop goes
 * out in one write. A client that does not keep up makes `add` wait.
 */
export class BatchedAnswer {
  readonly #x: Exchange;
  #parts: Array<Uint8Array | string> = [];
  #bytes = 0;
  #scheduled = false;
  #flushing: Promise<void> = Promise.resolve();
  /** Bytes that wait for a slow client. */
  #stalled = false;

  constructor(x: Exchange) {
    this.#x = x;
  }

  /** True while the client does not keep up with what was written. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Adds bytes; the promise is there only when the caller should wait. */
  add(part: Uint8Array | string): Promise<void> | undefined {
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes >= BATCH_BYTES) return this.flush();
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        void this.flush();
      });
    }
    return undefined;
  }

  /** Writes what was gathered; resolves when the client keeps up, or is gone. */
  flush(): Promise<void> {
    if (this.#parts.length === 0) return this.#flushing;
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    const chunk =
      parts.length === 1
        ? (parts[0] as Uint8Array | string)
        : Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
    this.#flushing = this.#flushing.then(async () => {
      this.#stalled = true;
      await this.#x.write(chunk);
      this.#stalled = false;
    });
    return this.#flushing;
  }

  /** Writes the rest and ends the answer. */
  async end(): Promise<void> {
    await this.flush();
    this.#x.response.end();
  }
}
