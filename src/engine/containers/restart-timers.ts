import { nextDelay } from './restart-policy.ts';

/** The waits between the end of a container and its restart by policy; each wait is longer than the one before. */
export class RestartTimers {
  readonly #waits = new Map<string, { timer: Timer | undefined; delay: number }>();

  /** Runs `start` after the wait that is due. `ranFor`: how long the last run was, in milliseconds. */
  schedule(id: string, ranFor: number, start: () => void): void {
    const delay = nextDelay(this.#waits.get(id)?.delay ?? 0, ranFor);
    this.#waits.set(id, { timer: setTimeout(start, delay), delay });
  }

  /** Ends the wait; the next one counts on from it. */
  cancel(id: string): void {
    const wait = this.#waits.get(id);
    if (!wait?.timer) return;
    clearTimeout(wait.timer);
    wait.timer = undefined;
  }

  /** The next wait is a first one. */
  forget(id: string): void {
    this.cancel(id);
    this.#waits.delete(id);
  }

  close(): void {
    for (const id of this.#waits.keys()) this.cancel(id);
  }
}
