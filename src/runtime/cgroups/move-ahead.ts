import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupLayout } from './cgroup.ts';

/** From the request to crun's first move there are 10 to 50 ms; the lock stays open for about 15 after each move. */
const HELD_OPEN = 60;
const BETWEEN = 5;

/**
 * Takes a wait out of the way of the next container or exec.
 *
 * The kernel lets a process into another cgroup only after an RCU grace period, measured as 8 to 16 ms
 * (`rcu_sync_enter` below `cgroup_threadgroup_rwsem`), unless one has just passed for an earlier move. So when a
 * request comes that will end in crun moving a process, this process moves into the cgroup that it is in already,
 * and again until crun has had its turn. That changes nothing, but the wait passes while the daemon, conmon and crun
 * get ready. (The mount option `favordynmods` takes the wait away for good, but makes every fork of the machine slower.)
 */
export class MoveAhead {
  readonly #file: string | undefined;
  #until = 0;
  #moving = false;

  constructor(layout: CgroupLayout) {
    this.#file = ownProcsFile(layout);
  }

  /** Returns at once. A machine that refuses the move is left alone. */
  begin(): void {
    if (this.#file === undefined) return;
    this.#until = performance.now() + HELD_OPEN;
    if (!this.#moving) void this.#move(this.#file);
  }

  async #move(file: string): Promise<void> {
    this.#moving = true;
    try {
      while (performance.now() < this.#until) {
        // "0" is the writing process (cgroups(7)). A thread of the pool waits, not this one.
        await writeFile(file, '0');
        await Bun.sleep(BETWEEN);
      }
    } catch {
      // Then the wait is crun's.
    } finally {
      this.#moving = false;
    }
  }
}

/** `cgroup.procs` of the cgroup this process is in, in the hierarchy that knows all processes. */
function ownProcsFile(layout: CgroupLayout): string | undefined {
  try {
    const name = layout.version === 2 ? '' : (layout.processes.split('/').pop() ?? '');
    for (const line of readFileSync('/proc/self/cgroup', 'utf8').split('\n')) {
      const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      const names = controllers.split(',').map((word) => word.replace(/^name=/, ''));
      if (path !== '' && names.includes(name)) return join(layout.processes, path, 'cgroup.procs');
    }
  } catch {
    // Without /proc nothing is gained and nothing is lost.
  }
  return undefined;
}
