import type { LogRecord } from '../engine/containers/containers.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader } from '../wire/stream-frames.ts';

export interface LogFormat {
  /** Frame by stream. */
  readonly multiplex: boolean;
  /** Put the time before each record. */
  readonly timestamps: boolean;
  /** What `detailsPrefix` made, to be put before each record. */
  readonly details: string | undefined;
}

/** Records of the log as `logs` sends them, in one piece: a log has millions of them. */
export function encodeRecords(records: readonly LogRecord[], format: LogFormat): Uint8Array {
  const { multiplex, timestamps, details = '' } = format;
  // Of bytes, so that its length is that of its text.
  const fixed = Buffer.from(details).toString('latin1');
  const prefixes =
    timestamps || fixed !== ''
      ? records.map((record) => (timestamps ? `${record.time} ${fixed}` : fixed))
      : [];
  let size = 0;
  for (const [index, { data }] of records.entries()) {
    size += data.byteLength + (prefixes[index]?.length ?? 0) + (multiplex ? FRAME_HEADER_BYTES : 0);
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [index, { stream, data }] of records.entries()) {
    const prefix = prefixes[index] ?? '';
    if (multiplex) {
      writeFrameHeader(bytes, at, stream, prefix.length + data.byteLength);
      at += FRAME_HEADER_BYTES;
    }
    if (prefix !== '') at += bytes.write(prefix, at, 'latin1');
    bytes.set(data, at);
    at += data.byteLength;
  }
  return bytes;
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
