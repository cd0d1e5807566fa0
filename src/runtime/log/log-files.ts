import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { criMillis, parseCriLine } from './cri.ts';

/** The files of a log that exist, oldest first: `PATH.4` … `PATH.1`, `PATH`. */
export function logFiles(path: string): string[] {
  const files: string[] = [];
  for (let index = 1; existsSync(`${path}.${index}`); index++) files.unshift(`${path}.${index}`);
  if (existsSync(path)) files.push(path);
  return files;
}

/** Where reading begins. */
export interface LogPosition {
  readonly file: string;
  readonly offset: number;
}

/** What the last lines are counted by. */
export interface TailRequest {
  readonly lines: number;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Milliseconds since the epoch; 0: no limit. */
  readonly since: number;
  readonly until: number;
}

const BLOCK = 64 * 1024;
const NEWLINE = 10;

/**
 * Looks backwards for the place from where on there are `lines` lines of the wanted streams and times. Memory is
 * one block and one entry (conmon's are below 5 KiB).
 */
export function findTail(files: readonly string[], request: TailRequest): LogPosition | undefined {
  let missing = request.lines;
  let position: LogPosition | undefined;
  if (missing <= 0) {
    const file = files.at(-1);
    return file === undefined ? undefined : { file, offset: sizeOf(file) };
  }
  // An unfinished last line counts as one.
  let tailIsOpen = true;
  for (const file of [...files].reverse()) {
    for (const { line, offset } of linesBackwards(file)) {
      const entry = parseCriLine(line);
      if (!entry || !request[entry.stream]) continue;
      if (request.since > 0 && criMillis(entry.time) < request.since) return position ?? { file, offset };
      if (request.until > 0 && criMillis(entry.time) > request.until) continue;
      const endsLine = !entry.partial;
      if (endsLine || tailIsOpen) {
        if (missing === 0) return position;
        missing--;
      }
      tailIsOpen = false;
      position = { file, offset };
    }
  }
  return position ?? (files[0] === undefined ? undefined : { file: files[0], offset: 0 });
}

function sizeOf(file: string): number {
  const fd = openSync(file, 'r');
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

/** The lines of a file, last first, with where each begins. */
function* linesBackwards(file: string): Generator<{ line: Uint8Array; offset: number }> {
  const fd = openSync(file, 'r');
  try {
    let end = fstatSync(fd).size;
    // What was read and holds no newline at its front yet.
    let rest: Uint8Array = new Uint8Array(0);
    while (end > 0) {
      const length = Math.min(BLOCK, end);
      const block = Buffer.alloc(length + rest.byteLength);
      readSync(fd, block, 0, length, end - length);
      block.set(rest, length);
      end -= length;
      let stop = block.length;
      if (block[stop - 1] === NEWLINE) stop--;
      for (;;) {
        const newline = stop > 0 ? block.lastIndexOf(NEWLINE, stop - 1) : -1;
        if (newline < 0) break;
        yield { line: block.subarray(newline + 1, stop), offset: end + newline + 1 };
        stop = newline;
      }
      rest = block.subarray(0, Math.min(stop + 1, block.length));
      if (end === 0 && stop > 0) yield { line: block.subarray(0, stop), offset: 0 };
    }
  } finally {
    closeSync(fd);
  }
}
