import type { ByteString } from './byte-string.ts';
import { formatPaxRecord, XATTR_PREFIX } from './pax.ts';
import { BLOCK, paddingOf, type TarEntry, type TarType } from './tar-entry.ts';

/** What a header says; everything but name and type has a default. */
export type TarMember = Pick<TarEntry, 'type' | 'name'> & Partial<TarEntry>;

const FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** Zeros for padding and for the end of an archive. */
const ZEROS = new Uint8Array(2 * BLOCK);

/** The two zero blocks that end an archive. */
export function tarEnd(): Uint8Array {
  return ZEROS;
}

/** The zeros after `size` bytes of content. */
export function tarPadding(size: number): Uint8Array {
  return ZEROS.subarray(0, paddingOf(size));
}

/**
 * The header of one member, with a PAX extended header before it where ustar's fields do not suffice (long or
 * non-ASCII names, large numbers, fractions of seconds, extended attributes). The same member gives the same
 * bytes. Contents (`size` bytes) and padding follow.
 */
export function encodeTarHeader(member: TarMember): Uint8Array {
  const { type, mode = 0o644, uid = 0, gid = 0, seconds = 0, nanoseconds = 0 } = member;
  const size = type === 'file' ? (member.size ?? 0) : 0;
  const name = type === 'directory' && !member.name.endsWith('/') ? `${member.name}/` : member.name;
  const linkName = member.linkName ?? '';
  const records: Buffer[] = [];
  const split = splitName(name);
  if (split === undefined || !isAscii(name)) records.push(formatPaxRecord('path', name));
  if (linkName.length > 100 || !isAscii(linkName)) records.push(formatPaxRecord('linkpath', linkName));
  if (size > OCTAL_11) records.push(formatPaxRecord('size', String(size)));
  if (uid > OCTAL_7) records.push(formatPaxRecord('uid', String(uid)));
  if (gid > OCTAL_7) records.push(formatPaxRecord('gid', String(gid)));
  if (nanoseconds !== 0 || seconds < 0 || seconds > OCTAL_11) {
    records.push(formatPaxRecord('mtime', formatTime(seconds, nanoseconds)));
  }
  for (const [key, value] of [...(member.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
    records.push(formatPaxRecord(`${XATTR_PREFIX}${key}`, value));
  }
  const header = Buffer.alloc(BLOCK);
  const { prefix, rest } = split ?? { prefix: '', rest: name.slice(0, 100) };
  header.write(rest, 0, 100, 'latin1');
  writeOctal(header, mode & 0o7777, 100, 8);
  writeOctal(header, uid > OCTAL_7 ? 0 : uid, 108, 8);
  writeOctal(header, gid > OCTAL_7 ? 0 : gid, 116, 8);
  writeOctal(header, size > OCTAL_11 ? 0 : size, 124, 12);
  writeOctal(header, seconds < 0 || seconds > OCTAL_11 ? 0 : seconds, 136, 12);
  header.write(FLAGS[type], 156, 'latin1');
  header.write(linkName.slice(0, 100), 157, 100, 'latin1');
  writeOctal(header, member.major ?? 0, 329, 8);
  writeOctal(header, member.minor ?? 0, 337, 8);
  header.write(prefix, 345, 155, 'latin1');
  finish(header);
  if (records.length === 0) return header;
  return Buffer.concat([paxHeader(rest, records), header]);
}

const OCTAL_7 = 0o7777777;
const OCTAL_11 = 0o77777777777;

function paxHeader(name: ByteString, records: readonly Buffer[]): Buffer {
  const data = Buffer.concat(records);
  const header = Buffer.alloc(BLOCK);
  const base = name.split('/').filter(Boolean).at(-1) ?? '';
  header.write(`PaxHeaders.0/${base}`.slice(0, 100), 0, 'latin1');
  writeOctal(header, 0o644, 100, 8);
  writeOctal(header, 0, 108, 8);
  writeOctal(header, 0, 116, 8);
  writeOctal(header, data.byteLength, 124, 12);
  writeOctal(header, 0, 136, 12);
  header.write('x', 156, 'latin1');
  writeOctal(header, 0, 329, 8);
  writeOctal(header, 0, 337, 8);
  finish(header);
  return Buffer.concat([header, data, tarPadding(data.byteLength)]);
}

/** Magic, version and checksum. */
function finish(header: Buffer): void {
  header.write('ustar\0' + '00', 257, 'latin1');
  header.fill(0x20, 148, 156);
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += header[i] ?? 0;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

function writeOctal(header: Buffer, value: number, offset: number, length: number): void {
  header.write(value.toString(8).padStart(length - 1, '0'), offset, length - 1, 'latin1');
}

/** Splits at a slash so that the parts fit ustar's `prefix` (155) and `name` (100); undefined if none fits. */
function splitName(name: ByteString): { prefix: string; rest: string } | undefined {
  if (name.length <= 100) return { prefix: '', rest: name };
  if (name.length > 256) return undefined;
  const slash = name.lastIndexOf('/', 155);
  if (slash <= 0 || name.length - slash - 1 > 100 || slash === name.length - 1) return undefined;
  return { prefix: name.slice(0, slash), rest: name.slice(slash + 1) };
}

function formatTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const negative = seconds < 0;
  const whole = negative ? -(seconds + 1) : seconds;
  const fraction = negative ? 1_000_000_000 - nanoseconds : nanoseconds;
  return `${negative ? '-' : ''}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
}

function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are ASCII
  return /^[\x00-\x7f]*$/.test(text);
}
