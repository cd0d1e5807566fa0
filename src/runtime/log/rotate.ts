import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';

/**
 * Makes room for a new log file: PATH becomes PATH.1, PATH.1 becomes PATH.2 …; of `files` in all, the oldest
 * goes. The writer must be told to open PATH again (`Runtime.reopenLog`); what it writes before that still lands
 * in PATH.1, so nothing is lost. A crash in between leaves at most a gap in the numbers, which the next call closes.
 */
export async function rotateLog(path: string, files: number): Promise<void> {
  await rm(`${path}.${Math.max(files - 1, 1)}`, { force: true });
  for (let index = Math.max(files - 2, 0); index >= 1; index--) {
    if (existsSync(`${path}.${index}`)) await rename(`${path}.${index}`, `${path}.${index + 1}`);
  }
  await rename(path, `${path}.1`);
}
