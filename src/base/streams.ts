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

/**
 * Cuts and joins a stream into pieces of exactly `length` bytes, the last one shorter. Each has a buffer of its
 * own, which can be transferred to a Worker. `take` gives the buffers, whatever is in them.
 */
export async function* piecesOf(
  source: AsyncIterable<Uint8Array>,
  length: number,
  take: () => Uint8Array<ArrayBuffer> = () => new Uint8Array(length),
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let buffer = take();
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + length - filled);
      buffer.set(part, filled);
      filled += part.byteLength;
      at += part.byteLength;
      if (filled === length) {
        yield buffer;
        buffer = take();
        filled = 0;
      }
    }
  }
  if (filled > 0) yield buffer.slice(0, filled);
}

/** The same stream; `done` is called, and waited for, when it has ended, failed or was cancelled. */
export function onEnd(
  stream: ReadableStream<Uint8Array>,
  done: () => void | Promise<void>,
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let next: Awaited<ReturnType<typeof reader.read>>;
        try {
          next = await reader.read();
        } catch (error) {
          await done();
          throw error;
        }
        if (next.done) {
          await done();
          controller.close();
        } else {
          controller.enqueue(next.value);
        }
      },
      async cancel(reason) {
        await reader.cancel(reason).catch(() => {});
        await done();
      },
    },
    { highWaterMark: 0 },
  );
}
