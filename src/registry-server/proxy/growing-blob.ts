import { TareError } from '../../base/errors.ts';

/** Bytes that wait for one reader; who falls further behind reads on from the file when it is complete. */
const QUEUE_LIMIT = 8 * 1024 * 1024;

/**
 * A blob that is being fetched, for any number of readers. A reader that is there from the first byte gets the bytes
 * as they come, unless it is too slow; all others get what they miss from the file, once it is complete and checked.
 * Nobody gets the last bytes before the digest was checked, so a blob that is not what it should be is seen to be cut.
 */
export class GrowingBlob {
  readonly #readers = new Set<Reader>();
  readonly #done = Promise.withResolvers<() => ReadableStream<Uint8Array>>();
  readonly #size: number;
  #offset: number;

  /** `offset`: bytes that are there already, which the readers will have from the file. */
  constructor(size: number, offset: number) {
    this.#size = size;
    this.#offset = offset;
    this.#done.promise.catch(() => {});
  }

  add(chunk: Uint8Array): void {
    for (const reader of this.#readers) reader.take(this.#offset, chunk);
    this.#offset += chunk.byteLength;
  }

  /** It is complete: `open` reads it from its begin. */
  complete(open: () => ReadableStream<Uint8Array>): void {
    this.#done.resolve(open);
    this.#wakeAll();
  }

  fail(error: unknown): void {
    this.#done.reject(error);
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const reader of this.#readers) reader.wake();
  }

  read(): ReadableStream<Uint8Array> {
    const reader = new Reader(this.#size, this.#offset === 0, this.#done.promise);
    this.#readers.add(reader);
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller): Promise<void> => {
          const chunk = await reader.next();
          if (chunk !== undefined) controller.enqueue(chunk);
          else {
            this.#readers.delete(reader);
            controller.close();
          }
        },
        cancel: async (): Promise<void> => {
          this.#readers.delete(reader);
          await reader.close();
        },
      },
      { highWaterMark: 0 },
    );
  }
}

class Reader {
  readonly #size: number;
  readonly #done: Promise<() => ReadableStream<Uint8Array>>;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #position = 0;
  /** False: what comes is not kept, the file will have it. */
  #live: boolean;
  #woken = Promise.withResolvers<void>();
  #file: AsyncIterator<Uint8Array> | undefined;

  constructor(size: number, live: boolean, done: Promise<() => ReadableStream<Uint8Array>>) {
    this.#size = size;
    this.#live = live;
    this.#done = done;
  }

  take(offset: number, chunk: Uint8Array): void {
    if (!this.#live) return;
    if (this.#queued + chunk.byteLength > QUEUE_LIMIT || offset + chunk.byteLength >= this.#size) {
      this.#live = false;
    } else {
      // The writer may use its buffer again.
      this.#queue.push(chunk.slice());
      this.#queued += chunk.byteLength;
    }
    this.wake();
  }

  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }

  /** Undefined at the end. Rejects when the fetch failed. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        this.#queued -= chunk.byteLength;
        this.#position += chunk.byteLength;
        return chunk;
      }
      if (!this.#live) return this.#fromFile();
      const { promise } = this.#woken;
      await Promise.race([promise, this.#done]);
      // After the end nothing more comes: the file has the rest.
      if (this.#queue.length === 0 && (await settled(this.#done))) this.#live = false;
    }
  }

  async #fromFile(): Promise<Uint8Array | undefined> {
    if (this.#file === undefined) {
      const open = await this.#done;
      this.#file = open()[Symbol.asyncIterator]();
      for (let skip = this.#position; skip > 0; ) {
        const { done, value } = await this.#file.next();
        if (done) throw new TareError('corrupt', 'the file is shorter than what was sent already');
        if (value.byteLength > skip) {
          this.#position += value.byteLength - skip;
          return value.subarray(skip);
        }
        skip -= value.byteLength;
      }
    }
    const { done, value } = await this.#file.next();
    return done ? undefined : value;
  }

  async close(): Promise<void> {
    this.#live = false;
    this.#queue = [];
    await this.#file?.return?.();
  }
}

function settled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return Promise.race([promise, Promise.resolve(pending)]).then((first) => first !== pending);
}
