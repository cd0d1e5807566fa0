import { Inotify, Watch } from '../../kernel/inotify.ts';
import { isAlive, reap } from '../../kernel/processes.ts';
import type { ProcessExit } from '../runtime.ts';
import { readExitFile, UNKNOWN_EXIT_CODE } from './exit-file.ts';
import type { Tracked } from './tracked.ts';

/** How often processes are looked at whose monitor is not our child or has died. */
const LOOK_INTERVAL_MS = 500;

/**
 * Learns of the end of containers and execs: by the exit file that the monitor writes (inotify, at once), and
 * where that cannot come, because the monitor was killed, by looking at the process itself twice a second.
 */
export class ExitWatch {
  readonly #report: (tracked: Tracked, exit: ProcessExit) => void;
  readonly #monitorLost: (tracked: Tracked) => void;
  /** Shared with whoever watches the same containers: a user has 128 of them (inotify(7)). */
  readonly inotify = new Inotify();
  /** Those that need looking at: an earlier daemon's, and those whose monitor died. */
  readonly #watched = new Map<Tracked, { monitorGone: boolean; told: boolean }>();
  #timer: Timer | undefined;

  /** `monitorLost`: a process lives whose monitor does not. */
  constructor(
    report: (tracked: Tracked, exit: ProcessExit) => void,
    monitorLost: (tracked: Tracked) => void,
  ) {
    this.#report = report;
    this.#monitorLost = monitorLost;
  }

  /** Calls `found` with the name of every exit file that appears in `directory`; returns how to stop. */
  watchDirectory(directory: string, found: (name: string | undefined) => void): () => void {
    return this.inotify.watch(directory, Watch.MOVED_TO | Watch.CLOSE_WRITE, (event) => {
      if (event.overflow) found(undefined);
      else if (!event.name.includes('.')) found(event.name);
    });
  }

  /** Reports the end if the exit file is there. Returns whether it is. */
  check(tracked: Tracked): boolean {
    const file = readExitFile(tracked.exitFile);
    if (file === undefined) return false;
    this.finish(tracked, file);
    return true;
  }

  /** The monitor has ended. With its exit file that is the normal end; without, the process is watched itself. */
  monitorEnded(tracked: Tracked): void {
    if (tracked.exit || tracked.forgotten || this.check(tracked)) return;
    this.#watched.set(tracked, { monitorGone: true, told: false });
    this.#look();
  }

  /** Watches a process whose monitor is not this daemon's child. */
  watchAdopted(tracked: Tracked): void {
    this.#watched.set(tracked, { monitorGone: false, told: false });
    this.#arm();
  }

  /** An orphan has ended; returns whether it was one that is watched (its code is then taken and reported). */
  claim(pid: number): boolean {
    const found = [...this.#watched.keys()].some((tracked) => tracked.record.process.pid === pid);
    if (found) this.#look();
    return found;
  }

  #arm(): void {
    if (this.#watched.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else {
      this.#timer ??= setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    }
  }

  #look(): void {
    for (const [tracked, state] of this.#watched) {
      if (tracked.exit || tracked.forgotten || this.check(tracked)) {
        this.#watched.delete(tracked);
        continue;
      }
      if (!state.monitorGone) {
        state.monitorGone = !isAlive(tracked.record.monitor);
        // Once more before the process is looked at: the exit file may have come in between.
        if (!state.monitorGone || this.check(tracked)) continue;
      }
      const { process } = tracked.record;
      // As child subreaper this daemon inherits the orphan and with it the true code (prctl(2)).
      const code = reap(process.pid);
      if (code === 'running' || (code === 'not-ours' && isAlive(process))) {
        if (!state.told) this.#monitorLost(tracked);
        state.told = true;
        continue;
      }
      this.#watched.delete(tracked);
      const known = typeof code === 'number';
      this.finish(tracked, {
        exitCode: known ? code : UNKNOWN_EXIT_CODE,
        finishedAt: Date.now(),
        exitCodeKnown: known,
      });
    }
    this.#arm();
  }

  /** Records and reports an end, also one that was learned elsewhere (an exec's sync pipe). */
  finish(tracked: Tracked, end: { exitCode: number; finishedAt: number; exitCodeKnown: boolean }): void {
    if (tracked.exit || tracked.forgotten) return;
    const exit: ProcessExit = {
      id: tracked.record.id,
      execId: tracked.record.execId,
      oomKilled: false,
      ...end,
    };
    tracked.exit = exit;
    this.#report(tracked, exit);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#watched.clear();
    this.inotify.close();
  }
}
