import { readFileSync, statSync } from 'node:fs';

/** What conmon left about the end of a process. */
export interface ExitFile {
  readonly exitCode: number;
  /** False when conmon itself never learned how the process ended. */
  readonly exitCodeKnown: boolean;
  /** Milliseconds since the epoch: when conmon saw the end. */
  readonly finishedAt: number;
}

/** Docker's code for a process of which nobody knows how it ended. */
export const UNKNOWN_EXIT_CODE = 255;

/** Reads an exit file (conmon renames it into place, so it is whole); undefined when there is none. */
export function readExitFile(path: string): ExitFile | undefined {
  try {
    const exitCode = Number.parseInt(readFileSync(path, 'utf8'), 10);
    if (!Number.isInteger(exitCode)) return undefined;
    const finishedAt = statSync(path).mtimeMs;
    // conmon writes -1 when a signal ended it before its container.
    if (exitCode < 0) return { exitCode: UNKNOWN_EXIT_CODE, exitCodeKnown: false, finishedAt };
    return { exitCode: exitCode & 0xff, exitCodeKnown: true, finishedAt };
  } catch {
    return undefined;
  }
}
