/**
 * Lets other work run when a long computation has held the thread for a while. Synchronous file calls and
 * promises that are ready never let the event loop turn; `await breath.take()` in their loop does.
 */
export class Breath {
  readonly #slice: number;
  #since = performance.now();

  /** `slice`: how long the thread may be held, in milliseconds. */
  constructor(slice = 5) {
    this.#slice = slice;
  }

  /** True when it is time for `take`; spares the promise in tight loops. */
  get due(): boolean {
    return performance.now() - this.#since > this.#slice;
  }

  async take(): Promise<void> {
    if (!this.due) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}

/**
 * A stream over an iterable that is read only as fast as the stream is. Cancelling the stream ends the iteration
 * (its `finally` blocks run).
 */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller): Promise<void> {
        const next = await iterator.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel(): Promise<void> {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
