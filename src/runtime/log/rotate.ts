import { existsSync, renameSync, rmSync } from 'node:fs';
import { fromNodeError } from '../../kernel/errno.ts';

/**
 * Makes room for a new log file: PATH becomes PATH.1, PATH.1 becomes PATH.2 …; of `files` in all, the oldest
 * goes. In one step, so that no reader of this process sees it half done. The writer must be told to open PATH
 * again (`Runtime.reopenLog`); what it writes before that still lands in PATH.1, so nothing is lost. A crash in
 * between leaves at most a gap in the numbers, which the next call closes.
 */
export function rotateLog(path: string, files: number): void {
  try {
    rmSync(`${path}.${Math.max(files - 1, 1)}`, { force: true });
    for (let index = Math.max(files - 2, 0); index >= 1; index--) {
      if (existsSync(`${path}.${index}`)) renameSync(`${path}.${index}`, `${path}.${index + 1}`);
    }
    renameSync(path, `${path}.1`);
  } catch (error) {
    throw fromNodeError(error, `rotating the log ${path}`);
  }
}
