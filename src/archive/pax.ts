import { TareError } from '../base/errors.ts';
import type { ByteString } from './byte-string.ts';

/** Prefix of the records that hold extended attributes (star's convention, which GNU tar and Docker use). */
export const XATTR_PREFIX = 'SCHILY.xattr.';

/** Records of a PAX extended header (pax(1), "pax Extended Header"), in order; names may repeat. */
export type PaxRecords = ReadonlyArray<readonly [key: ByteString, value: Buffer]>;

/** Parses `LENGTH KEY=VALUE\n` records. Throws `corrupt`. */
export function parsePax(data: Buffer): PaxRecords {
  const records: Array<readonly [ByteString, Buffer]> = [];
  let at = 0;
  while (at < data.byteLength) {
    // Some writers fill the rest with NUL.
    if (data[at] === 0) break;
    const space = data.indexOf(0x20, at);
    const digits = space < 0 || space - at > 15 ? '' : data.toString('latin1', at, space);
    const length = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = data.indexOf(0x3d, space);
    if (length < 5 || end > data.byteLength || data[end - 1] !== 0x0a || equals < 0 || equals >= end) {
      throw new TareError('corrupt', 'invalid tar: malformed PAX extended header');
    }
    const key = data.toString('latin1', space + 1, equals);
    if (key.includes('\0')) throw new TareError('corrupt', 'invalid tar: NUL in a PAX extended header');
    records.push([key, data.subarray(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/** One record, with the length that counts itself. */
export function formatPaxRecord(key: ByteString, value: ByteString | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const rest = key.length + bytes.byteLength + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), bytes, Buffer.from('\n')]);
}

/** A PAX time, `-1.5` or `1700000000.123456789`, as seconds and nanoseconds (0 to 999,999,999) to add. */
export function parsePaxTime(text: string): { seconds: number; nanoseconds: number } {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw new TareError('corrupt', `invalid tar: the PAX time ${JSON.stringify(text)}`);
  const [, sign = '', whole = '0', fraction = ''] = match;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { seconds: Number(whole), nanoseconds };
  const seconds = whole === '0' ? 0 : -Number(whole);
  return nanoseconds === 0
    ? { seconds, nanoseconds }
    : { seconds: seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

/** A decimal, not negative number. */
export function parsePaxNumber(value: Buffer, key: string): number {
  const text = value.toString('latin1');
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw new TareError('corrupt', `invalid tar: the PAX record ${key} is not a number`);
  }
  return number;
}
