/** One line of a log in CRI format (`TIME STREAM P|F DATA`, as conmon's k8s-file driver writes it). */
export class CriLine {
  readonly stream: 'stdout' | 'stderr';
  /** The data is a piece of a line that goes on in the next entry of this stream (tag `P`). */
  readonly partial: boolean;
  /** Without the newline that ends the entry of a piece; with the one that ends a line. */
  readonly data: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #timeEnd: number;

  constructor(
    stream: CriLine['stream'],
    partial: boolean,
    data: Uint8Array,
    bytes: Uint8Array,
    timeEnd: number,
  ) {
    this.stream = stream;
    this.partial = partial;
    this.data = data;
    this.#bytes = bytes;
    this.#timeEnd = timeEnd;
  }

  /** As written: RFC 3339 with nanoseconds and an offset. Made only when it is asked for: most readers never do. */
  get time(): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#timeEnd).toString('latin1');
  }
}

const SPACE = 32;
const PARTIAL = 80;
/** ` stdout F `, without the time before it. */
const FIELDS = 10;

/**
 * Parses one line with the newline at its end (a cut one without); undefined for what a cut or a crash left behind.
 */
export function parseCriLine(line: Uint8Array): CriLine | undefined {
  const first = line.indexOf(SPACE);
  if (first < 20 || line.length < first + FIELDS) return undefined;
  // stdout and stderr have the same length and differ in their fourth letter.
  const letter = line[first + 4];
  if (line[first + 7] !== SPACE || line[first + 9] !== SPACE || (letter !== 111 && letter !== 101)) {
    return undefined;
  }
  const partial = line[first + 8] === PARTIAL;
  const data = line.subarray(first + FIELDS, partial && line.at(-1) === 10 ? -1 : line.length);
  return new CriLine(letter === 111 ? 'stdout' : 'stderr', partial, data, line, first);
}

/** Nanoseconds since the epoch of a CRI time. */
export function criNanos(time: string): bigint {
  const dot = time.indexOf('.');
  if (dot < 0) return BigInt(Date.parse(time)) * 1_000_000n;
  const zone = time.slice(dot).search(/[Z+-]/) + dot;
  const fraction = time
    .slice(dot + 1, zone)
    .slice(0, 9)
    .padEnd(9, '0');
  return BigInt(Date.parse(time.slice(0, dot) + time.slice(zone))) * 1_000_000n + BigInt(fraction);
}

/** The time in UTC (`…Z`) with nine digits of fraction, as Docker shows it. */
export function utcTime(time: string): string {
  if (time.endsWith('+00:00')) return `${time.slice(0, -6)}Z`;
  const dot = time.indexOf('.');
  const zone = time.slice(dot).search(/[Z+-]/) + dot;
  const seconds = new Date(time.slice(0, dot) + time.slice(zone)).toISOString().slice(0, 19);
  return `${seconds}${time.slice(dot, zone)}Z`;
}
