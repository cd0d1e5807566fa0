import { TareError } from '../base/errors.ts';
import { codeOf, SyscallError } from '../kernel/errno.ts';
import type { Tracked } from './conmon/tracked.ts';

/** What reaches for something of a container that ends meanwhile says so instead of naming the file that is gone. */

/** For what goes to its monitor. */
export function withMonitor(tracked: Tracked, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new TareError('not-found', `${tracked.record.execId ?? tracked.record.id} has ended`, error);
  }
}

/** For what goes to its cgroup. */
export function withCgroup<T>(body: () => T, id: string): T {
  try {
    return body();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    throw new TareError('not-found', `container ${id} is not running`, error);
  }
}
