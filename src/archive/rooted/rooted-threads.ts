import { TareError } from '../../base/errors.ts';
import { piecesOf } from '../../base/streams.ts';
import { workerUrl } from '../../base/worker-url.ts';
import { type FromRooted, type RootedCall, type ToRooted, WINDOW } from './messages.ts';
import type { PathStatus, RootedTree, RootedTrees, RootSource, UnpackOptions } from './rooted.ts';

/** Bytes of one message to a Worker; small pieces are joined. */
const MESSAGE = 512 * 1024;
/** How long an unused Worker is kept, in milliseconds. */
const IDLE = 5000;

/** Rooted trees in Workers, one each; an idle Worker ends soon. */
export class RootedThreads implements RootedTrees {
  readonly #idle: Array<{ worker: Worker; timer: ReturnType<typeof setTimeout> }> = [];

  async open(root: RootSource): Promise<RootedTree> {
    const worker = this.#take();
    const tree = new ThreadTree(worker, () => this.#giveBack(worker));
    try {
      tree.place = (await tree.call({ do: 'open', root })) as string;
      return tree;
    } catch (error) {
      await tree.close();
      throw error;
    }
  }

  #take(): Worker {
    const free = this.#idle.pop();
    if (free === undefined) return new Worker(workerUrl('archive/rooted/rooted-worker.ts'));
    clearTimeout(free.timer);
    free.worker.ref();
    return free.worker;
  }

  #giveBack(worker: Worker): void {
    worker.onmessage = null;
    worker.onerror = null;
    const timer = setTimeout(() => {
      this.#idle.splice(this.#idle.indexOf(entry), 1);
      worker.terminate();
    }, IDLE);
    const entry = { worker, timer };
    timer.unref();
    this.#idle.push(entry);
    worker.unref();
  }

  close(): void {
    for (const { worker, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      worker.terminate();
    }
  }
}

/** One root in one Worker. */
class ThreadTree implements RootedTree {
  place = '';
  readonly #worker: Worker;
  readonly #release: () => void;
  #answer: PromiseWithResolvers<PathStatus | string | null> | undefined;
  #onPiece: (message: { piece: Uint8Array } | { packed: true } | { failure: Error }) => void = () => {};
  #onAck: () => void = () => {};
  #closing: Promise<void> | undefined;
  #broken = false;

  constructor(worker: Worker, release: () => void) {
    this.#worker = worker;
    this.#release = release;
    worker.onmessage = (event: MessageEvent<FromRooted>) => this.#receive(event.data);
    worker.onerror = (event: ErrorEvent) => {
      this.#broken = true;
      this.#settle(new Error(`the thread that copies files failed: ${event.message}`));
    };
  }

  #send(message: ToRooted, transfer: Bun.Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromRooted): void {
    if ('ack' in message) this.#onAck();
    else if ('piece' in message || 'packed' in message) this.#onPiece(message);
    else if ('error' in message) this.#settle(errorOf(message.error));
    else {
      const answer = this.#answer;
      this.#answer = undefined;
      answer?.resolve(message.result);
    }
  }

  #settle(error: Error): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.reject(error);
    this.#onPiece({ failure: error });
    this.#onAck();
  }

  /** Sends a call and gives its answer. */
  async call(call: RootedCall): Promise<PathStatus | string | null> {
    const answer = Promise.withResolvers<PathStatus | string | null>();
    this.#answer = answer;
    this.#send({ call });
    return await answer.promise;
  }

  async stat(path: string): Promise<PathStatus> {
    return (await this.call({ do: 'stat', path })) as PathStatus;
  }

  async enter(path: string): Promise<string> {
    return (await this.call({ do: 'enter', path })) as string;
  }

  async pack(path: string): Promise<{ status: PathStatus; tar: ReadableStream<Uint8Array> }> {
    const pieces: Array<{ piece: Uint8Array } | { packed: true } | { failure: Error }> = [];
    let wake: () => void = () => {};
    let over = false;
    this.#onPiece = (message) => {
      over ||= !('piece' in message);
      pieces.push(message);
      wake();
    };
    const status = (await this.call({ do: 'pack', path })) as PathStatus;
    const next = async (): Promise<(typeof pieces)[number]> => {
      while (pieces.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return pieces.shift()!;
    };
    const tar = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const message = await next();
          if ('failure' in message) throw message.failure;
          if ('packed' in message) return controller.close();
          this.#send({ more: true });
          controller.enqueue(message.piece);
        },
        cancel: async () => {
          if (!over) this.#send({ abort: true });
          // The Worker is free for its next call when it has said how this one ended.
          for (let done = over; !done; done = !('piece' in (await next()))) {
            // What was under way is thrown away.
          }
        },
      },
      { highWaterMark: 0 },
    );
    return { status, tar };
  }

  async unpack(tar: ReadableStream<Uint8Array>, options: UnpackOptions): Promise<void> {
    let outstanding = 0;
    let wake: () => void = () => {};
    let over = false;
    const result = this.call({ do: 'unpack', options });
    const finished = (): void => {
      over = true;
      wake();
    };
    result.then(finished, finished);
    this.#onAck = () => {
      outstanding--;
      wake();
    };
    const pieces = piecesOf(tar, MESSAGE);
    try {
      while (!over) {
        // Whatever the source is waiting for: what has failed has failed.
        const next = await Promise.race([pieces.next(), result]);
        if (next === null || typeof next === 'string' || !('done' in next) || next.done) break;
        while (outstanding >= WINDOW && !over) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        outstanding++;
        this.#send({ piece: next.value }, [next.value.buffer]);
      }
    } catch (error) {
      if (!over) this.#send({ abort: true });
      // It returns when the source gives up, which its owner sees to.
      pieces.return(undefined).catch(() => {});
      await result.catch(() => {});
      throw error;
    }
    if (!over) this.#send({ end: true });
    await result;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#broken) {
      this.#worker.terminate();
      return;
    }
    await this.call({ do: 'close' });
    this.#release();
  }
}

function errorOf(error: { kind: TareError['kind']; message: string; code?: string }): Error {
  const result = new TareError(error.kind, error.message);
  return error.code === undefined ? result : Object.assign(result, { code: error.code });
}
