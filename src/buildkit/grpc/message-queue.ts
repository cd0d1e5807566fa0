/**
 * Messages between one who pushes and one who awaits them. Says when there are too many, so that the source can be
 * paused.
 */
export class MessageQueue {
  readonly #waiting: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  /** Called when what waited was taken. */
  onDrained: (() => void) | undefined;

  push(message: Uint8Array): void {
    this.#waiting.push(message);
    this.#bytes += message.length;
    this.#notify();
  }

  /** No more will come; with `error`, whoever waits gets it after what is here. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#notify();
  }

  get isFull(): boolean {
    return this.#bytes > HIGH_WATER;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        this.#bytes -= message.length;
        if (this.#waiting.length === 0) this.onDrained?.();
        yield message;
      } else if (this.#ended) {
        if (this.#error !== undefined) throw this.#error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** Bytes that may wait. */
const HIGH_WATER = 1 << 20;
