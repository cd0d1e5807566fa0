import { type CriLine, criNanos, utcTime } from './cri.ts';
import type { LogMark } from './log-files.ts';

/** A line, or a piece of up to 16 KiB of a longer one, as Docker's records. */
export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds, UTC. Of a line in pieces, that of the first. */
  readonly time: string;
  /** With its newline, if it had one. */
  readonly data: Uint8Array;
  /** Of a line longer than a record: which piece this is, counted from 1. */
  readonly piece?: { readonly ordinal: number; readonly last: boolean } | undefined;
}

/** Which lines are wanted. Times are nanoseconds since the epoch, 0: no limit. */
export interface LineFilter {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly since: bigint;
  readonly until: bigint;
}

/** Docker cuts lines into records of this size. Bytes. */
const RECORD = 16 * 1024;

class Line implements LogLine {
  readonly stream: LogLine['stream'];
  readonly data: Uint8Array;
  readonly piece: LogLine['piece'];
  readonly #entry: CriLine;

  constructor(entry: CriLine, data: Uint8Array, piece: LogLine['piece']) {
    this.piece = piece;
    this.stream = entry.stream;
    this.data = data;
    this.#entry = entry;
  }

  get time(): string {
    return utcTime(this.#entry.time);
  }
}

interface OpenLine {
  readonly first: CriLine;
  /** Where the oldest piece that no record has yet begins. */
  mark: LogMark;
  /** Records that were made of the line so far. */
  records: number;
  pieces: Uint8Array[];
  size: number;
}

/** Puts the pieces of lines together, up to a record's size. */
export class LineJoiner {
  readonly #filter: LineFilter;
  readonly #open = new Map<LogLine['stream'], OpenLine>();
  /** An entry beyond `until` has come: there is nothing more to read. */
  over = false;

  constructor(filter: LineFilter) {
    this.#filter = filter;
  }

  /** Takes the next entry, which stands at `head` and `offset`; adds to `lines` what is complete. */
  push(entry: CriLine, head: string, offset: number, lines: LogLine[]): void {
    const { since, until } = this.#filter;
    if (this.over || !this.#filter[entry.stream]) return;
    if (since > 0n || until > 0n) {
      const time = criNanos(entry.time);
      if (until > 0n && time > until) {
        this.over = true;
        return;
      }
      if (time < since) return;
    }
    const before = this.#open.get(entry.stream);
    if (!before && !entry.partial) {
      lines.push(new Line(entry, entry.data, undefined));
      return;
    }
    const open = before ?? { first: entry, mark: { head, offset }, records: 0, pieces: [], size: 0 };
    open.pieces.push(entry.data);
    open.size += entry.data.byteLength;
    // The newline does not count: a line of exactly that size is one record.
    while (open.size > RECORD + (entry.partial ? 0 : 1) || (entry.partial && open.size === RECORD)) {
      const bytes = Buffer.concat(open.pieces, open.size);
      open.records++;
      lines.push(new Line(open.first, bytes.subarray(0, RECORD), { ordinal: open.records, last: false }));
      open.pieces = [bytes.subarray(RECORD)];
      open.size -= RECORD;
      open.mark = { head, offset };
    }
    if (entry.partial) {
      this.#open.set(entry.stream, open);
      return;
    }
    this.#open.delete(entry.stream);
    lines.push(new Line(open.first, Buffer.concat(open.pieces, open.size), lastPiece(open)));
  }

  /** Lines that were never finished. */
  flush(): LogLine[] {
    const rest = [...this.#open.values()].filter(({ size }) => size > 0);
    this.#open.clear();
    return rest.map((open) => new Line(open.first, Buffer.concat(open.pieces), lastPiece(open)));
  }

  /** Where what no record has yet begins; undefined when all was given. */
  get pending(): LogMark | undefined {
    let oldest: LogMark | undefined;
    for (const { mark, size } of this.#open.values()) {
      if (size === 0) continue;
      if (!oldest || mark.head < oldest.head || (mark.head === oldest.head && mark.offset < oldest.offset)) {
        oldest = mark;
      }
    }
    return oldest;
  }
}

function lastPiece({ records }: OpenLine): LogLine['piece'] {
  return records === 0 ? undefined : { ordinal: records + 1, last: true };
}
