import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fromNodeError } from '../kernel/errno.ts';

/** Writes this process's id into `path` and returns how to remove it again, if it is still ours. */
export function writePidfile(path: string): () => void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, String(process.pid));
  } catch (error) {
    throw fromNodeError(error, `writing the pidfile ${path}`);
  }
  return () => {
    try {
      if (readFileSync(path, 'utf8') === String(process.pid)) rmSync(path);
    } catch {
      // Somebody removed it already.
    }
  };
}
