import { TareError } from '../base/errors.ts';
import type { PaxRecords } from './pax.ts';
import type { SparsePiece } from './tar-entry.ts';
import { decodeNumber } from './tar-header.ts';

/*
 * The sparse formats of GNU tar (its manual, "Storing Sparse Files"): the old one in GNU headers, and three
 * versions in PAX records.
 */

/** More pieces than any real file has; bounds the memory that a malicious archive can take. */
const PIECES_LIMIT = 1_000_000;

/** What PAX records say of a sparse file; undefined for a plain one. */
export interface PaxSparse {
  readonly name: string | undefined;
  readonly realSize: number;
  /** Undefined: the map stands before the data (version 1.0). */
  readonly pieces: SparsePiece[] | undefined;
}

/** Reads `count` pieces of an old GNU header or of one of its extension blocks. */
export function oldSparsePieces(block: Buffer, offset: number, count: number): SparsePiece[] {
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < count; i++) {
    const at = offset + i * 24;
    // An unused slot is all zeros.
    if (block[at] === 0 && block[at + 12] === 0) break;
    pieces.push({
      offset: decodeNumber(block, at, 12, 'sparse offset'),
      length: decodeNumber(block, at + 12, 12, 'sparse length'),
    });
  }
  return pieces;
}

/** Finds GNU.sparse.* records. */
export function paxSparse(records: PaxRecords): PaxSparse | undefined {
  const values = new Map<string, string>();
  const pairs: number[] = [];
  for (const [key, value] of records) {
    if (!key.startsWith('GNU.sparse.')) continue;
    const text = value.toString('latin1');
    // Version 0.0 repeats these two; a map would keep only the last.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') pairs.push(decimal(text));
    else values.set(key.slice('GNU.sparse.'.length), text);
  }
  if (values.size === 0 && pairs.length === 0) return undefined;
  const realSize = decimal(values.get('realsize') ?? values.get('size') ?? '');
  const name = values.get('name');
  if (values.get('major') === '1' && values.get('minor') === '0') {
    return { name, realSize, pieces: undefined };
  }
  const map = values.get('map');
  const numbers = map === undefined ? pairs : map === '' ? [] : map.split(',').map(decimal);
  return { name, realSize, pieces: pairUp(numbers) };
}

function pairUp(numbers: readonly number[]): SparsePiece[] {
  if (numbers.length % 2 !== 0) throw malformed();
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    pieces.push({ offset: numbers[i] ?? 0, length: numbers[i + 1] ?? 0 });
  }
  return pieces;
}

/**
 * Parses version 1.0's map, which fills whole blocks at the start of the data: the count, then pairs, one
 * decimal a line. Returns undefined while `data` does not hold all of it yet, else the pieces and the blocks'
 * length in bytes.
 */
export function parseSparseMap(data: Buffer): { pieces: SparsePiece[]; length: number } | undefined {
  const numbers: number[] = [];
  let at = 0;
  let wanted = 1;
  while (numbers.length < wanted) {
    const end = data.indexOf(0x0a, at);
    if (end < 0) {
      if (data.byteLength - at > 20) throw malformed();
      return undefined;
    }
    numbers.push(decimal(data.toString('latin1', at, end)));
    if (numbers.length === 1) {
      wanted = 1 + 2 * (numbers[0] ?? 0);
      if (wanted > 2 * PIECES_LIMIT) throw malformed();
    }
    at = end + 1;
  }
  const length = Math.ceil(at / 512) * 512;
  return length > data.byteLength ? undefined : { pieces: pairUp(numbers.slice(1)), length };
}

/** Checks that the pieces are in order, inside the file, and as long together as what is stored. */
export function checkPieces(pieces: readonly SparsePiece[], realSize: number, stored: number): void {
  let end = 0;
  let sum = 0;
  if (pieces.length > PIECES_LIMIT) throw malformed();
  for (const piece of pieces) {
    if (piece.offset < end || piece.length < 0) throw malformed();
    end = piece.offset + piece.length;
    sum += piece.length;
  }
  if (end > realSize || sum !== stored || !Number.isSafeInteger(end)) throw malformed();
}

function decimal(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw malformed();
  return Number(text);
}

function malformed(): TareError {
  return new TareError('corrupt', 'invalid tar: malformed map of a sparse file');
}
