import { closeSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Breath } from '../../base/streams.ts';
import { Inotify, Watch } from '../../kernel/inotify.ts';
import { type CriLine, criMillis, parseCriLine, utcTime } from './cri.ts';
import { findTail, type LogFile, openLogFiles, openNext } from './log-files.ts';

/** What to read of a log. Times are milliseconds since the epoch, 0: no limit; `tail` -1: all lines. */
export interface ReadLogRequest {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly since: number;
  readonly until: number;
  readonly tail: number;
  /** Go on as the log grows, until `ended` resolves or `signal` aborts; undefined: stop at its end. */
  readonly follow: { readonly ended: Promise<unknown> } | undefined;
  readonly signal: AbortSignal;
}

/** A line, or a piece of up to 16 KiB of a longer one, as Docker's records. */
export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  /** With its newline, if it had one. */
  readonly data: Uint8Array;
}

const BLOCK = 256 * 1024;
/** Docker cuts lines into records of this size. Bytes. */
const RECORD = 16 * 1024;
const NEWLINE = 10;

/** Reads a log and its rotated files in order. Memory is bounded whatever the lines are like. */
export async function* readLog(path: string, request: ReadLogRequest): AsyncGenerator<LogLine> {
  // Watched before the first byte is read, so that nothing is missed in between.
  const follower = request.follow && new Follower(path, request.follow.ended, request.signal);
  try {
    const joiner = new LineJoiner(request);
    const breath = new Breath();
    for await (const lines of blocksOfLines(path, request, follower)) {
      for (const line of lines) {
        const record = joiner.push(line);
        if (record === 'stop') return;
        if (record) yield record;
        if (breath.due) await breath.take();
        if (request.signal.aborted) return;
      }
    }
    yield* joiner.flush();
  } finally {
    follower?.close();
  }
}

/** Puts the pieces of lines together, up to a record's size. */
class LineJoiner {
  readonly #request: ReadLogRequest;
  readonly #open = new Map<'stdout' | 'stderr', { time: string; pieces: Uint8Array[]; size: number }>();

  constructor(request: ReadLogRequest) {
    this.#request = request;
  }

  push(line: CriLine): LogLine | 'stop' | undefined {
    const { since, until } = this.#request;
    if (!this.#request[line.stream]) return undefined;
    if (since > 0 || until > 0) {
      const time = criMillis(line.time);
      if (until > 0 && time > until) return 'stop';
      if (time < since) return undefined;
    }
    const open = this.#open.get(line.stream);
    if (!open && !line.partial) return record(line.stream, line.time, [line.data, LINE_END]);
    const entry = open ?? { time: line.time, pieces: [], size: 0 };
    entry.pieces.push(line.data);
    entry.size += line.data.byteLength;
    if (line.partial && entry.size < RECORD) {
      this.#open.set(line.stream, entry);
      return undefined;
    }
    this.#open.delete(line.stream);
    if (!line.partial) entry.pieces.push(LINE_END);
    return record(line.stream, entry.time, entry.pieces);
  }

  /** Lines that were never finished. */
  *flush(): Generator<LogLine> {
    for (const [stream, { time, pieces }] of this.#open) yield record(stream, time, pieces);
    this.#open.clear();
  }
}

const LINE_END = new Uint8Array([NEWLINE]);

function record(stream: 'stdout' | 'stderr', time: string, pieces: readonly Uint8Array[]): LogLine {
  return { stream, time: utcTime(time), data: Buffer.concat(pieces) };
}

/** Reads file after file, and with a follower goes on at the end of the last. */
async function* blocksOfLines(
  path: string,
  request: ReadLogRequest,
  follower: Follower | undefined,
): AsyncGenerator<CriLine[]> {
  const files = openLogFiles(path);
  try {
    const start = request.tail < 0 ? undefined : findTail(files, { ...request, lines: request.tail });
    files.splice(0, start?.file ?? 0).forEach(close);
    let offset = start?.offset ?? 0;
    for (;;) {
      const file = files[0];
      if (file) {
        const reader = new LineReader(file.fd, offset);
        yield* files.length === 1 && follower
          ? followFile(path, file, reader, follower, files)
          : reader.read();
        files.shift();
        close(file);
        offset = 0;
      } else {
        // The first file of all may be still to come.
        if (!follower || !(await follower.changed())) return;
        files.push(...openLogFiles(path));
        if (files.length === 0 && follower.over) return;
      }
      if (files.length === 0 && (!follower || follower.over)) return;
    }
  } finally {
    files.forEach(close);
  }
}

function close(file: LogFile): void {
  closeSync(file.fd);
}

/**
 * Reads a growing file to its end: until the writer has ended, or has begun the next file, which is then pushed to
 * `files`. The next one is there only after the writer has let go of this one.
 */
async function* followFile(
  path: string,
  file: LogFile,
  reader: LineReader,
  follower: Follower,
  files: LogFile[],
): AsyncGenerator<CriLine[]> {
  for (;;) {
    const { over } = follower;
    const next = openNext(path, file);
    if (next) files.push(next);
    yield* reader.read();
    if (next || over) return;
    await follower.changed();
  }
}

/** Splits a file into entries; keeps the unfinished last line for the next read. */
class LineReader {
  readonly #fd: number;
  #offset: number;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(fd: number, offset: number) {
    this.#fd = fd;
    this.#offset = offset;
  }

  /** Yields what is there now, a block at a time. */
  *read(): Generator<CriLine[]> {
    for (;;) {
      const block = Buffer.allocUnsafe(this.#rest.byteLength + BLOCK);
      block.set(this.#rest);
      const count = readSync(this.#fd, block, this.#rest.byteLength, BLOCK, this.#offset);
      if (count === 0) return;
      this.#offset += count;
      const bytes = block.subarray(0, this.#rest.byteLength + count);
      const lines: CriLine[] = [];
      let start = 0;
      for (;;) {
        const newline = bytes.indexOf(NEWLINE, start);
        if (newline < 0) break;
        const line = parseCriLine(bytes.subarray(start, newline));
        if (line) lines.push(line);
        start = newline + 1;
      }
      this.#rest = bytes.subarray(start);
      yield lines;
    }
  }
}

/** Wakes a reader when its log has changed, its writer has ended, or nobody wants to read any more. */
class Follower {
  readonly #inotify = new Inotify();
  #over = false;
  #dirty = false;
  #wake: () => void = () => {};

  constructor(path: string, ended: Promise<unknown>, signal: AbortSignal) {
    const name = basename(path);
    this.#inotify.watch(dirname(path), Watch.MODIFY | Watch.CREATE | Watch.MOVED_TO, (event) => {
      if (event.name !== name && !event.overflow) return;
      this.#dirty = true;
      this.#wake();
    });
    const finish = (): void => {
      this.#over = true;
      this.#wake();
    };
    ended.then(finish, finish);
    if (signal.aborted) finish();
    else signal.addEventListener('abort', finish, { once: true });
  }

  /** The writer has ended: what is in the file now is all. */
  get over(): boolean {
    return this.#over;
  }

  /** Resolves at the next change; false when there will be none. */
  async changed(): Promise<boolean> {
    while (!this.#dirty && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#dirty = false;
    return !this.#over;
  }

  close(): void {
    this.#over = true;
    this.#inotify.close();
  }
}
