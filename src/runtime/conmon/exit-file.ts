import { readFileSync, statSync } from 'node:fs';

/** What conmon left about the end of a process. */
export interface ExitFile {
  readonly exitCode: number;
  /** Milliseconds since the epoch: when conmon saw the end. */
  readonly finishedAt: number;
}

/** Reads an exit file (conmon renames it into place, so it is whole); undefined when there is none. */
export function readExitFile(path: string): ExitFile | undefined {
  try {
    const exitCode = Number.parseInt(readFileSync(path, 'utf8'), 10);
    // -1: conmon itself never learned the code.
    if (!Number.isInteger(exitCode)) return undefined;
    return { exitCode: exitCode & 0xff, finishedAt: statSync(path).mtimeMs };
  } catch {
    return undefined;
  }
}
