import { field, int32, int64, message } from './message.ts';

/** google.protobuf.Timestamp */
export const Timestamp = message({ seconds: field(1, int64), nanos: field(2, int32) });

/** Of milliseconds since the epoch. */
export function timestampOf(milliseconds: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}
