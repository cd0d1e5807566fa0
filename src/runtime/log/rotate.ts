import { renameSync, rmSync } from 'node:fs';
import { fromNodeError } from '../../kernel/errno.ts';
import { numberedLogFiles } from './log-files.ts';

/**
 * Makes room for a new log file: PATH becomes PATH.1, PATH.1 becomes PATH.2 …; of `files` in all, the oldest
 * goes. In one step, so that no reader of this process sees it half done. The writer must be told to open PATH
 * again (`Runtime.reopenLog`); what it writes before that still lands in PATH.1, so nothing is lost. A crash in
 * between leaves at most a gap in the numbers, which readers pass over.
 */
export function rotateLog(path: string, files: number): void {
  try {
    for (const { index, name, compressed } of numberedLogFiles(path)) {
      if (index >= Math.max(files - 1, 1)) rmSync(name, { force: true });
      else renameSync(name, `${path}.${index + 1}${compressed ? '.gz' : ''}`);
    }
  } catch (error) {
    throw fromNodeError(error, `rotating the log ${path}`);
  }
}
