/**
 * Protects what is being made: while anybody holds a lease, nothing that is without a row yet is collected as
 * garbage; a collection that was asked for meanwhile runs when the last lease ends. Leases live in memory: after a
 * crash nobody is making anything, and the sweep at start takes what was left half-made.
 */
export class Leases {
  #held = 0;
  #waiting: (() => Promise<void>) | undefined;

  /** Runs `body` under a lease. */
  async hold<T>(body: () => Promise<T>): Promise<T> {
    this.#held++;
    try {
      return await body();
    } finally {
      this.#held--;
      const waiting = this.#waiting;
      if (this.#held === 0 && waiting) {
        this.#waiting = undefined;
        await waiting();
      }
    }
  }

  /** Runs `collect` now if nobody holds a lease, else once after the last one has ended. */
  async whenIdle(collect: () => Promise<void>): Promise<void> {
    if (this.#held === 0) await collect();
    else this.#waiting = collect;
  }
}
