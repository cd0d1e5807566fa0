import type { LogRecord } from '../engine/containers/containers.ts';
import { frameHeader } from '../wire/stream-frames.ts';

export interface LogFormat {
  /** Frame by stream. */
  readonly multiplex: boolean;
  /** Put the time before each record. */
  readonly timestamps: boolean;
  /** Put the record's attributes before it; there are none, which dockerd shows as one space. */
  readonly details: boolean;
}

/** A record of the log as `logs` sends it. */
export function encodeRecord(record: LogRecord, format: LogFormat): Uint8Array {
  const prefix = `${format.timestamps ? `${record.time} ` : ''}${format.details ? ' ' : ''}`;
  if (!format.multiplex && prefix === '') return record.data;
  const length = prefix.length + record.data.length;
  if (!format.multiplex) return Buffer.concat([Buffer.from(prefix, 'latin1'), record.data], length);
  const header = frameHeader(record.stream, length);
  return Buffer.concat([header, Buffer.from(prefix, 'latin1'), record.data], header.length + length);
}
