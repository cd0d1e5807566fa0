/** One line of a log in CRI format (`TIME STREAM P|F DATA`, as conmon's k8s-file driver writes it). */
export interface CriLine {
  readonly stream: 'stdout' | 'stderr';
  /** As written: RFC 3339 with nanoseconds and an offset. */
  readonly time: string;
  /** The data is a piece of a line that goes on in the next entry of this stream (tag `P`). */
  readonly partial: boolean;
  /** Without the newline that ends the entry. */
  readonly data: Uint8Array;
}

const SPACE = 32;
const PARTIAL = 80;

/** Parses one line without its newline; undefined for what a cut or a crash left behind. */
export function parseCriLine(line: Uint8Array): CriLine | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  const third = line.indexOf(SPACE, second + 1);
  if (first < 20 || second < 0 || third < 0) return undefined;
  // stdout and stderr have the same length and differ in their fourth letter.
  const letter = line[first + 4];
  if (second - first !== 7 || (letter !== 111 && letter !== 101)) return undefined;
  return {
    stream: letter === 111 ? 'stdout' : 'stderr',
    time: Buffer.from(line.buffer, line.byteOffset, first).toString('latin1'),
    partial: line[second + 1] === PARTIAL,
    data: line.subarray(third + 1),
  };
}

/** Milliseconds since the epoch, with the fraction down to nanoseconds, of a CRI time. */
export function criMillis(time: string): number {
  const dot = time.indexOf('.');
  if (dot < 0) return Date.parse(time);
  const zone = time.slice(dot).search(/[Z+-]/) + dot;
  return Date.parse(time.slice(0, dot) + time.slice(zone)) + Number(`0${time.slice(dot, zone)}`) * 1000;
}

/** The time in UTC (`…Z`) with nine digits of fraction, as Docker shows it. */
export function utcTime(time: string): string {
  if (time.endsWith('+00:00')) return `${time.slice(0, -6)}Z`;
  const dot = time.indexOf('.');
  const zone = time.slice(dot).search(/[Z+-]/) + dot;
  const seconds = new Date(time.slice(0, dot) + time.slice(zone)).toISOString().slice(0, 19);
  return `${seconds}${time.slice(dot, zone)}Z`;
}
