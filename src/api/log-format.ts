import type { LogRecord } from '../engine/containers/containers.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader } from '../wire/stream-frames.ts';

export interface LogFormat {
  /** Frame by stream. */
  readonly multiplex: boolean;
  /** Put the time before each record. */
  readonly timestamps: boolean;
  /**
   * One frame for a run of records of one stream. Docker's clients take a frame for a record, so only ours asks for
   * it: for them a header costs nothing, for it a system call for each line.
   */
  readonly joined: boolean;
  /** What `detailsPrefix` made, to be put before each record. */
  readonly details: string | undefined;
}

/** Records of the log as `logs` sends them, in one piece: a log has millions of them. */
export function encodeRecords(records: readonly LogRecord[], format: LogFormat): Uint8Array {
  const prefixes = prefixesOf(records, format);
  const frames = format.multiplex ? framesOf(records, prefixes, format.joined) : [];
  let size = frames.length * FRAME_HEADER_BYTES;
  for (let index = 0; index < records.length; index++) size += sizeOf(records, prefixes, index);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  let frame = 0;
  for (let index = 0; index < records.length; index++) {
    const { stream, data } = records[index] as LogRecord;
    const header = frames[frame];
    if (header?.first === index) {
      writeFrameHeader(bytes, at, stream, header.size);
      at += FRAME_HEADER_BYTES;
      frame++;
    }
    const prefix = prefixes?.[index] ?? '';
    if (prefix !== '') at += bytes.write(prefix, at, 'latin1');
    bytes.set(data, at);
    at += data.byteLength;
  }
  return bytes;
}

/** What stands before each record; undefined: nothing. ASCII, so that a text's length is that of its bytes. */
function prefixesOf(records: readonly LogRecord[], { timestamps, details }: LogFormat): string[] | undefined {
  if (timestamps) return records.map(({ time }) => `${time} ${details ?? ''}`);
  return details === undefined ? undefined : records.map(() => details);
}

function sizeOf(
  records: readonly LogRecord[],
  prefixes: readonly string[] | undefined,
  index: number,
): number {
  return (records[index]?.data.byteLength ?? 0) + (prefixes?.[index]?.length ?? 0);
}

/** Which records begin a frame, and the frames' payload sizes. */
function framesOf(
  records: readonly LogRecord[],
  prefixes: readonly string[] | undefined,
  joined: boolean,
): Array<{ first: number; size: number }> {
  const frames: Array<{ first: number; size: number }> = [];
  for (let index = 0; index < records.length; index++) {
    const size = sizeOf(records, prefixes, index);
    const frame = frames.at(-1);
    if (joined && frame && records[index]?.stream === records[index - 1]?.stream) frame.size += size;
    else frames.push({ first: index, size });
  }
  return frames;
}

/** Labels and variables as dockerd shows them before a record: sorted, escaped for a query, a space after them. */
export function detailsPrefix(details: Readonly<Record<string, string>>): string {
  const pairs = Object.keys(details)
    .sort()
    .map((key) => `${queryEscape(key)}=${queryEscape(details[key] ?? '')}`);
  return `${pairs.join(',')} `;
}

/** Go's url.QueryEscape. */
function queryEscape(text: string): string {
  const encoded = encodeURIComponent(text).replaceAll('%20', '+');
  return encoded.replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}
