import { readSync } from 'node:fs';
import { dirname } from 'node:path';
import { Breath } from '../../base/streams.ts';
import { parseCriLine } from './cri.ts';
import { findTail } from './find-tail.ts';
import { Follower } from './follower.ts';
import { type LineFilter, LineJoiner, type LogLine } from './line-joiner.ts';
import {
  closeLogFile,
  expand,
  headOf,
  type LogFile,
  type LogMark,
  openLogFiles,
  openNext,
} from './log-files.ts';

/** What to read of a log. Times are nanoseconds since the epoch, 0: no limit. */
export interface ReadLogRequest extends LineFilter {
  /** Number of last lines, -1: all lines. */
  readonly tail: number;
  /** Where to begin instead of the first file; a place that is gone: at the oldest that is there. */
  readonly from?: LogMark | undefined;
  /** Called when that place is gone. */
  readonly onGone?: () => void;
  /** Go on as the log grows, until `ended` resolves or `signal` aborts; undefined: stop at its end. */
  readonly follow: { readonly ended: Promise<unknown> } | undefined;
  readonly signal: AbortSignal;
}

/** Some lines of a log, in order: the complete ones of a block that was read. */
export interface LogBatch {
  readonly lines: readonly LogLine[];
  /** Reading from here on gives all that came after these lines, and perhaps some of them again. */
  readonly next: LogMark;
}

const BLOCK = 256 * 1024;
const NEWLINE = 10;

/** Reads a log and its rotated files in order. Memory is bounded whatever the lines are like. */
export async function* readLog(path: string, request: ReadLogRequest): AsyncGenerator<LogBatch> {
  // Watched before the first byte is read, so that nothing is missed in between.
  const follower = request.follow && new Follower(path, request.follow.ended, request.signal);
  try {
    yield* new LogReader(path, request, follower).read();
  } finally {
    follower?.close();
  }
}

class LogReader {
  readonly #path: string;
  readonly #request: ReadLogRequest;
  readonly #follower: Follower | undefined;
  readonly #joiner: LineJoiner;
  readonly #breath = new Breath();
  /** What is left to read, oldest first; the first is the one being read. */
  readonly #files: LogFile[] = [];
  /** What was read so far, unfinished lines included. */
  #end: LogMark = { head: '', offset: 0 };

  constructor(path: string, request: ReadLogRequest, follower: Follower | undefined) {
    this.#path = path;
    this.#request = request;
    this.#follower = follower;
    this.#joiner = new LineJoiner(request);
  }

  async *read(): AsyncGenerator<LogBatch> {
    const follower = this.#follower;
    try {
      let offset = await this.#open();
      for (;;) {
        if (this.#files.length > 0) {
          yield* this.#readFirst(offset);
          if (this.#joiner.over || this.#request.signal.aborted) return;
          const read = this.#files.shift();
          if (read) closeLogFile(read);
          offset = 0;
        } else {
          // The first file of all may be still to come.
          if (!follower || !(await follower.changed())) break;
          this.#files.push(...openLogFiles(this.#path));
        }
        if (this.#files.length === 0 && (!follower || follower.over)) break;
      }
      // Whoever goes away is to find the end of a line where its beginning is.
      if (this.#request.signal.aborted) return;
      const rest = this.#joiner.flush();
      if (rest.length > 0) yield { lines: rest, next: this.#end };
    } finally {
      this.#files.forEach(closeLogFile);
    }
  }

  /** Opens the files from the wanted place on; gives the offset in the first. */
  async #open(): Promise<number> {
    const { tail, from } = this.#request;
    const files = this.#files;
    const directory = dirname(this.#path);
    files.push(...openLogFiles(this.#path));
    if (from) {
      for (const [index, file] of files.entries()) {
        const plain = await expand(file, directory);
        files[index] = plain;
        if (headOf(plain) !== from.head) continue;
        files.splice(0, index).forEach(closeLogFile);
        return from.offset;
      }
      this.#request.onGone?.();
      return 0;
    }
    if (tail < 0) return 0;
    const start = await findTail(files, directory, { ...this.#request, lines: tail });
    files.splice(0, start.file).forEach(closeLogFile);
    return start.offset;
  }

  /**
   * Reads the first file to its end; the newest one of a growing log until the writer has ended or has begun the next
   * file, which is then pushed to the files. The next one is there only after the writer has let go of this one.
   */
  async *#readFirst(offset: number): AsyncGenerator<LogBatch> {
    const [first] = this.#files;
    if (!first) return;
    const file = await expand(first, dirname(this.#path));
    this.#files[0] = file;
    const reader = new LineReader(file, offset, this.#joiner);
    const follower = this.#files.length === 1 ? this.#follower : undefined;
    for (;;) {
      const over = follower?.over ?? true;
      const next = follower && (await openNext(this.#path, file));
      if (next) this.#files.push(next);
      for (let batch = reader.next(); batch; batch = reader.next()) {
        this.#end = reader.end;
        if (batch.lines.length > 0) yield batch;
        if (this.#joiner.over || this.#request.signal.aborted) return;
        if (this.#breath.due) await this.#breath.take();
      }
      if (next || over) return;
      await follower?.changed();
    }
  }
}

/** Splits a file into entries; keeps the unfinished last line for the next read. */
class LineReader {
  readonly #file: LogFile;
  readonly #joiner: LineJoiner;
  #head = '';
  /** Where `rest` begins. */
  #offset: number;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(file: LogFile, offset: number, joiner: LineJoiner) {
    this.#file = file;
    this.#offset = offset;
    this.#joiner = joiner;
  }

  /** Where the entries end that were read. */
  get end(): LogMark {
    return { head: this.#head, offset: this.#offset };
  }

  /** The next block's lines; undefined at the end of what is there now. */
  next(): LogBatch | undefined {
    const kept = this.#rest.byteLength;
    const block = Buffer.allocUnsafe(kept + BLOCK);
    block.set(this.#rest);
    const count = readSync(this.#file.fd, block, kept, BLOCK, this.#offset + kept);
    if (count === 0) return undefined;
    if (this.#head === '') this.#head = headOf(this.#file);
    const bytes = block.subarray(0, kept + count);
    const lines: LogLine[] = [];
    let start = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, start);
      if (newline < 0) break;
      const entry = parseCriLine(bytes.subarray(start, newline + 1));
      if (entry) this.#joiner.push(entry, this.#head, this.#offset + start, lines);
      start = newline + 1;
    }
    // No entry is as long as that: what a damaged disk left.
    if (bytes.byteLength - start > BLOCK) start = bytes.byteLength;
    this.#rest = bytes.subarray(start);
    this.#offset += start;
    return { lines, next: this.#joiner.pending ?? this.end };
  }
}
