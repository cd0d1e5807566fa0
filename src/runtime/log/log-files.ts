import { existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { fromNodeError } from '../../kernel/errno.ts';
import { criMillis, parseCriLine } from './cri.ts';

/** An open file of a log; a rotation renames it but leaves it readable. */
export interface LogFile {
  readonly fd: number;
  readonly inode: number;
}

/** The names of a log's files that exist, oldest first: `PATH.4` … `PATH.1`, `PATH`. */
function logFileNames(path: string): string[] {
  const names: string[] = [];
  for (let index = 1; existsSync(`${path}.${index}`); index++) names.unshift(`${path}.${index}`);
  if (existsSync(path)) names.push(path);
  return names;
}

function open(name: string): LogFile {
  try {
    const fd = openSync(name, 'r');
    return { fd, inode: fstatSync(fd).ino };
  } catch (error) {
    throw fromNodeError(error, `log ${name}`);
  }
}

/** Opens all files of a log, oldest first, in one step: rotations of this process cannot come in between. */
export function openLogFiles(path: string): LogFile[] {
  return logFileNames(path).map(open);
}

/** Opens the file that was begun after `file`, if there is one; the oldest when `file` was rotated out. */
export function openNext(path: string, file: LogFile): LogFile | undefined {
  const names = logFileNames(path);
  const place = names.findIndex((name) => statSync(name).ino === file.inode);
  const next = names[place + 1];
  return next === undefined ? undefined : open(next);
}

/** Where reading begins. */
export interface LogPosition {
  /** Index into the files. */
  readonly file: number;
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
export function findTail(files: readonly LogFile[], request: TailRequest): LogPosition {
  const newest = files.length - 1;
  let missing = request.lines;
  let position: LogPosition | undefined;
  if (missing <= 0) {
    const last = files[newest];
    return { file: Math.max(newest, 0), offset: last ? fstatSync(last.fd).size : 0 };
  }
  // An unfinished last line counts as one.
  let tailIsOpen = true;
  for (let file = newest; file >= 0; file--) {
    for (const { line, offset } of linesBackwards(files[file]?.fd ?? -1)) {
      const entry = parseCriLine(line);
      if (!entry || !request[entry.stream]) continue;
      if (request.since > 0 && criMillis(entry.time) < request.since) return position ?? { file, offset };
      if (request.until > 0 && criMillis(entry.time) > request.until) continue;
      const endsLine = !entry.partial;
      if (endsLine || tailIsOpen) {
        if (missing === 0) return position ?? { file, offset };
        missing--;
      }
      tailIsOpen = false;
      position = { file, offset };
    }
  }
  return position ?? { file: 0, offset: 0 };
}

/** The lines of a file, last first, with where each begins. */
function* linesBackwards(fd: number): Generator<{ line: Uint8Array; offset: number }> {
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
}
