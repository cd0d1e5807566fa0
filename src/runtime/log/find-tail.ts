import { fstatSync, readSync } from 'node:fs';
import { criNanos, parseCriLine } from './cri.ts';
import { expand, type LogFile } from './log-files.ts';

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
  /** Nanoseconds since the epoch; 0: no limit. */
  readonly since: bigint;
  readonly until: bigint;
}

const BLOCK = 64 * 1024;
const NEWLINE = 10;

/**
 * Looks backwards for the place from where on there are `lines` lines of the wanted streams and times. Compressed
 * files that it comes to are expanded, in place in `files`. Memory is one block and one entry (conmon's are below
 * 5 KiB).
 */
export async function findTail(
  files: LogFile[],
  directory: string,
  request: TailRequest,
): Promise<LogPosition> {
  const newest = files.length - 1;
  const search = new TailSearch(request);
  if (request.lines <= 0) {
    const last = files[newest];
    return { file: Math.max(newest, 0), offset: last ? fstatSync(last.fd).size : 0 };
  }
  for (let index = newest; index >= 0; index--) {
    const file = files[index];
    if (!file) continue;
    const plain = await expand(file, directory);
    files[index] = plain;
    for (const { line, offset } of linesBackwards(plain.fd)) {
      if (search.isDone(line, { file: index, offset })) return search.position ?? { file: index, offset };
    }
  }
  return search.position ?? { file: 0, offset: 0 };
}

class TailSearch {
  position: LogPosition | undefined;
  readonly #request: TailRequest;
  #missing: number;
  /** An unfinished last line counts as one. */
  #tailIsOpen = true;

  constructor(request: TailRequest) {
    this.#request = request;
    this.#missing = request.lines;
  }

  /** Takes the next entry towards the front; true when the lines are complete without it. */
  isDone(line: Uint8Array, at: LogPosition): boolean {
    const { since, until } = this.#request;
    const entry = parseCriLine(line);
    if (!entry || !this.#request[entry.stream]) return false;
    if (since > 0n && criNanos(entry.time) < since) return true;
    if (until > 0n && criNanos(entry.time) > until) return false;
    if (!entry.partial || this.#tailIsOpen) {
      if (this.#missing === 0) return true;
      this.#missing--;
    }
    this.#tailIsOpen = false;
    this.position = at;
    return false;
  }
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
      yield { line: block.subarray(newline + 1, stop + 1), offset: end + newline + 1 };
      stop = newline;
    }
    rest = block.subarray(0, Math.min(stop + 1, block.length));
    if (end === 0 && stop > 0) yield { line: block.subarray(0, stop + 1), offset: 0 };
  }
}
