import { TareError } from '../../../base/errors.ts';
import { workerUrl } from '../../../base/worker-url.ts';
import type { FromKept, ToKept } from './kept-messages.ts';

/** Messages that may be under way: bounds the memory to a few MiB a sync. */
const WINDOW = 8;

type Result = (FromKept & { result: unknown })['result'];

/** The Worker of one sync: what it is told is done in order. */
export class KeptThread {
  readonly #worker = new Worker(workerUrl('engine/builder/context/kept-worker.ts'));
  readonly #waiting: Array<PromiseWithResolvers<Result>> = [];
  readonly #room: Array<() => void> = [];
  #broken: Error | undefined;

  constructor() {
    this.#worker.onmessage = (event: MessageEvent<FromKept>) => {
      const waiting = this.#waiting.shift();
      this.#room.shift()?.();
      if (waiting === undefined) return;
      if ('error' in event.data) waiting.reject(errorOf(event.data.error));
      else waiting.resolve(event.data.result);
    };
    this.#worker.onerror = (event: ErrorEvent) => {
      this.#broken = new Error(`the thread that keeps build contexts failed: ${event.message}`);
      for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#broken);
      for (const go of this.#room.splice(0)) go();
    };
  }

  /** Sends a message; its answer. */
  async call(message: ToKept, transfer: Bun.Transferable[] = []): Promise<Result> {
    if (this.#broken !== undefined) throw this.#broken;
    const answer = Promise.withResolvers<Result>();
    this.#waiting.push(answer);
    this.#worker.postMessage(message, transfer);
    return await answer.promise;
  }

  /** Waits until there is room for another message. */
  async room(): Promise<void> {
    while (this.#waiting.length >= WINDOW && this.#broken === undefined) {
      await new Promise<void>((resolve) => this.#room.push(resolve));
    }
  }

  close(): void {
    this.#worker.terminate();
  }
}

function errorOf(error: { kind: TareError['kind']; message: string; code?: string }): Error {
  const result = new TareError(error.kind, error.message);
  return error.code === undefined ? result : Object.assign(result, { code: error.code });
}
