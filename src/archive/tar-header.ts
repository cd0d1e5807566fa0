import { TareError } from '../base/errors.ts';
import type { ByteString } from './byte-string.ts';
import { BLOCK } from './tar-entry.ts';

/**
 * The fixed 512-byte header of tar's formats (v7, ustar, GNU), as pax(1) of POSIX and the GNU tar manual's
 * "Basic Tar Format" define it.
 */
export interface RawHeader {
  readonly name: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  /** One character; `0` for the NUL of old archives. */
  readonly flag: string;
  readonly linkName: ByteString;
  readonly major: number;
  readonly minor: number;
  readonly gnu: boolean;
}

/** True for a block of zeros, which ends an archive. */
export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** Decodes a header block. Throws `corrupt` on a wrong checksum or number. */
export function decodeHeader(block: Buffer): RawHeader {
  checkSum(block);
  const magic = block.toString('latin1', 257, 265);
  const gnu = magic === 'ustar  \0';
  const ustar = magic.startsWith('ustar\0');
  let name = text(block, 0, 100);
  if (ustar) {
    const prefix = text(block, 345, 155);
    if (prefix) name = `${prefix}/${name}`;
  }
  const flagByte = block[156] ?? 0;
  const isDevice = flagByte === 0x33 || flagByte === 0x34;
  return {
    name,
    mode: decodeNumber(block, 100, 8, 'mode') & 0o7777,
    uid: decodeOwner(block, 108, 'uid'),
    gid: decodeOwner(block, 116, 'gid'),
    size: decodeNumber(block, 124, 12, 'size'),
    seconds: decodeNumber(block, 136, 12, 'mtime'),
    flag: flagByte === 0 ? '0' : String.fromCharCode(flagByte),
    linkName: text(block, 157, 100),
    major: isDevice && (ustar || gnu) ? decodeNumber(block, 329, 8, 'devmajor') : 0,
    minor: isDevice && (ustar || gnu) ? decodeNumber(block, 337, 8, 'devminor') : 0,
    gnu,
  };
}

/** A field that ends at its first NUL or at its length. */
export function text(block: Buffer, offset: number, length: number): ByteString {
  const nul = block.indexOf(0, offset);
  return block.toString('latin1', offset, nul < 0 ? offset + length : Math.min(nul, offset + length));
}

function checkSum(block: Buffer): void {
  let unsigned = 0;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    if (byte > 127) high += 256;
  }
  const stored = decodeNumber(block, 148, 8, 'checksum');
  // Some old tars summed signed characters.
  if (stored !== unsigned && stored !== unsigned - high) {
    throw new TareError('corrupt', 'invalid tar header: wrong checksum (the archive is damaged or no tar)');
  }
}

/**
 * Octal digits among blanks, or GNU's base-256 when the first bit is set (for what needs more digits and for
 * negative numbers).
 */
export function decodeNumber(block: Buffer, offset: number, length: number, field: string): number {
  const first = block[offset] ?? 0;
  if (first & 0x80) return decodeBase256(block, offset, length, field);
  const end = offset + length;
  let at = offset;
  while (at < end && (block[at] === 0 || block[at] === 0x20)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  if (at < end && block[at] !== 0 && block[at] !== 0x20) {
    throw new TareError('corrupt', `invalid tar header: ${field} is not a number`);
  }
  return value;
}

/** macOS's nobody is -2; as an unsigned number, that is what Linux makes of it and dockerd too. */
function decodeOwner(block: Buffer, offset: number, field: string): number {
  const value = decodeNumber(block, offset, 8, field);
  return value < 0 && value >= -0x80000000 ? value + 0x1_0000_0000 : value;
}

function decodeBase256(block: Buffer, offset: number, length: number, field: string): number {
  const negative = ((block[offset] ?? 0) & 0x40) !== 0;
  let value = 0n;
  for (let i = offset; i < offset + length; i++) {
    const byte = block[i] ?? 0;
    value = (value << 8n) | BigInt(i === offset ? (negative ? byte | 0x80 : byte & 0x7f) : byte);
  }
  if (negative) value = BigInt.asIntN(length * 8, value);
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw new TareError('corrupt', `invalid tar header: ${field} is out of range`);
  }
  return Number(value);
}

/** True when `head` begins with a tar's header, or with the zeros of an empty tar. */
export function isTarHeader(head: Uint8Array): boolean {
  if (head.byteLength < BLOCK) return false;
  const block = Buffer.from(head.buffer, head.byteOffset, BLOCK);
  if (isZeroBlock(block)) return true;
  try {
    decodeHeader(block);
    return true;
  } catch {
    return false;
  }
}
