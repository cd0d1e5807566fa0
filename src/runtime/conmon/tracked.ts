import { isAlive } from '../../kernel/processes.ts';
import type { ProcessExit } from '../runtime.ts';
import type { MonitorRecord } from './monitor-record.ts';

/** A container or exec whose end is waited for. */
export interface Tracked {
  readonly record: MonitorRecord;
  /** Directory of conmon's sockets. */
  readonly directory: string;
  /** Where conmon writes the exit code. */
  readonly exitFile: string;
  /** Known once it has ended. */
  exit: ProcessExit | undefined;
  /** Nobody wants to hear of its end any more. */
  forgotten: boolean;
}

export function isRunning(tracked: Tracked): boolean {
  return tracked.exit === undefined && isAlive(tracked.record.process);
}
