import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import { libc } from './ffi.ts';
import { identify } from './processes.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * How long the lock of a process that is gone is waited for: what it forked just before it was killed holds its
 * descriptors until it executes another program. Milliseconds.
 */
const PATIENCE = 2000;

/** A lock on a file that is held until the process ends or `release` is called (flock(2)). */
export interface FileLock {
  release(): void;
}

/**
 * Locks `path` (made if missing) and writes this process's id into it. Throws `conflict` with the id of the
 * process that has it.
 */
export function lockFile(path: string): FileLock {
  const fd = openSync(path, 'a+', 0o600);
  const end = Date.now() + PATIENCE;
  while (libc.flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    const owner = readFileSync(path, 'utf8').trim();
    if (/^\d+$/.test(owner) && !identify(Number(owner)) && Date.now() < end) {
      Bun.sleepSync(5);
      continue;
    }
    closeSync(fd);
    throw new TareError('conflict', `${path} is locked by process ${owner || '(unknown)'}`);
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return { release: () => closeSync(fd) };
}
