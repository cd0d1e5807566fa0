import { peekEndedChild, processStat, reap } from '../../kernel/processes.ts';

/** Bun takes its own children within a turn of its event loop; then what remains is looked at again. */
const LOOK_AGAIN_MS = 10;
/** A child of somebody else's that stays is not waited for by looking. */
const PATIENCE = 100;

/**
 * Waits for processes that this daemon inherited as child subreaper: children of monitors that died before them.
 * A zombie in a container's pid namespace would keep that namespace, and so the container, from ever ending
 * (pid_namespaces(7)). Bun's own children must be left to Bun: monitors are told apart by pid, others by being in
 * the daemon's session, which every monitor leaves.
 */
export class Orphans {
  readonly #monitors = new Set<number>();
  /** Looks after orphans whose code is wanted; returns whether it took that one. */
  readonly #claim: (pid: number) => boolean;
  readonly #session = processStat(process.pid)?.session;
  readonly #sweep = (): void => this.#schedule(0);
  #timer: Timer | undefined;
  #patience = PATIENCE;

  constructor(claim: (pid: number) => boolean) {
    this.#claim = claim;
    process.on('SIGCHLD', this.#sweep);
  }

  /** A monitor that is this process's own child; `ended` when Bun has waited for it. */
  monitorStarted(pid: number, ended: Promise<void>): void {
    this.#monitors.add(pid);
    void ended.then(() => this.#monitors.delete(pid));
  }

  #schedule(round: number): void {
    if (round === 0) this.#patience = PATIENCE;
    this.#timer ??= setTimeout(() => this.#look(), LOOK_AGAIN_MS);
  }

  #look(): void {
    this.#timer = undefined;
    for (;;) {
      const pid = peekEndedChild();
      if (pid === undefined) return;
      const stat = processStat(pid);
      const theirs = this.#monitors.has(pid) || stat?.session === this.#session;
      if (theirs) {
        // It hides the others: waitid(2) shows one at a time.
        this.#patience -= 1;
        if (this.#patience > 0) this.#schedule(1);
        return;
      }
      if (!this.#claim(pid)) reap(pid);
    }
  }

  close(): void {
    process.off('SIGCHLD', this.#sweep);
    clearTimeout(this.#timer);
  }
}
