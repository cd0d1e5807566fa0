import { TareError } from '../../base/errors.ts';

/** How a wait ended. */
export interface WaitResult {
  readonly exitCode: number;
  readonly error?: string;
}

type Moment = 'exit' | 'removed';

/** Who waits for which container's exit or removal. */
export class Waiters {
  readonly #waiting = new Map<string, Set<{ moment: Moment; resolve: (result: WaitResult) => void }>>();

  /** Resolves at the container's next `moment`; rejects with `cancelled` when `signal` aborts. */
  next(id: string, moment: Moment, signal?: AbortSignal): Promise<WaitResult> {
    return new Promise((resolve, reject) => {
      const set = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, set);
      const abort = (): void => {
        set.delete(waiter);
        reject(new TareError('cancelled', 'the wait was cancelled'));
      };
      const waiter = {
        moment,
        resolve: (result: WaitResult): void => {
          signal?.removeEventListener('abort', abort);
          resolve(result);
        },
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      set.add(waiter);
    });
  }

  /** Tells the waiters. A removal also ends waits for an exit that will never come. */
  notify(id: string, moment: Moment, result: WaitResult): void {
    const set = this.#waiting.get(id);
    if (!set) return;
    for (const waiter of [...set]) {
      if (waiter.moment !== moment && moment !== 'removed') continue;
      set.delete(waiter);
      waiter.resolve(result);
    }
    if (set.size === 0) this.#waiting.delete(id);
  }
}
