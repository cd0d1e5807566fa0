import { cancellation, throwIfCancelled } from './cancellation.ts';

/** Lets `limit` bodies run at once; the others wait in the order they came. */
export class Semaphore {
  #free: number;
  readonly #waiting: Array<() => void> = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  /** True when a body would start at once. */
  get idle(): boolean {
    return this.#free > 0;
  }

  /** Runs `body` when there is room. An abort while waiting throws and gives the place up. */
  async run<T>(signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
    if (signal !== undefined) throwIfCancelled(signal);
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      return await body();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const grant = () => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    const leave = () => {
      this.#waiting.splice(this.#waiting.indexOf(grant), 1);
      if (signal !== undefined) reject(cancellation(signal));
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#waiting.push(grant);
    return promise;
  }
}
