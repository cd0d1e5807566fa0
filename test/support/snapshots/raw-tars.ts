import { formatPaxRecord } from '../../../src/archive/pax.ts';
import { tarEnd, tarPadding } from '../../../src/archive/tar-writer.ts';

/*
 * Archives that neither GNU tar nor our own writer makes from a tree: fields and sparse maps as they are wanted.
 */

export interface RawMember {
  readonly name: string;
  /** One character. */
  readonly flag: string;
  readonly data?: Uint8Array;
  /** Said to be so long; else the length of `data`. */
  readonly size?: number;
  readonly uid?: number | bigint;
  readonly gid?: number | bigint;
  readonly mtime?: number | bigint;
  readonly linkName?: string;
  readonly major?: number;
  readonly minor?: number;
  /** Writes into the header before its checksum is made. */
  readonly patch?: (header: Buffer) => void;
}

/** A GNU header; numbers that need it are in base 256. */
export function rawHeader(member: RawMember): Buffer {
  const header = Buffer.alloc(512);
  header.write(member.name, 0, 100, 'latin1');
  number(header, 0o644, 100, 8);
  number(header, member.uid ?? 0, 108, 8);
  number(header, member.gid ?? 0, 116, 8);
  number(header, member.size ?? member.data?.byteLength ?? 0, 124, 12);
  number(header, member.mtime ?? 0, 136, 12);
  header.write(member.flag, 156, 'latin1');
  header.write(member.linkName ?? '', 157, 100, 'latin1');
  header.write('ustar  \0', 257, 'latin1');
  number(header, member.major ?? 0, 329, 8);
  number(header, member.minor ?? 0, 337, 8);
  member.patch?.(header);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function number(header: Buffer, value: number | bigint, offset: number, length: number): void {
  const wide = BigInt(value);
  if (wide >= 0n && wide < 8n ** BigInt(length - 1)) {
    header.write(wide.toString(8).padStart(length - 1, '0'), offset, 'latin1');
    return;
  }
  let rest = BigInt.asUintN(length * 8, wide);
  for (let at = offset + length - 1; at >= offset; at--, rest >>= 8n) header[at] = Number(rest & 0xffn);
  header[offset] = (header[offset] ?? 0) | 0x80;
}

export function rawTar(...members: Array<RawMember | Uint8Array>): Buffer {
  const parts = members.flatMap((member) => {
    if (member instanceof Uint8Array) return [member];
    const data = member.data ?? Buffer.alloc(0);
    return [rawHeader(member), data, tarPadding(data.byteLength)];
  });
  return Buffer.concat([...parts, tarEnd()]);
}

/** A PAX extended header. */
export function paxHeader(records: ReadonlyArray<readonly [string, string]>, flag = 'x'): Buffer {
  const data = Buffer.concat(records.map(([key, value]) => formatPaxRecord(key, value)));
  return Buffer.concat([rawHeader({ name: 'pax', flag, data }), data, tarPadding(data.byteLength)]);
}

export type Pieces = ReadonlyArray<readonly [offset: number, length: number]>;
export const SPARSE_FORMATS = ['old GNU', 'PAX 0.0', 'PAX 0.1', 'PAX 1.0'] as const;

/** A sparse file in one of GNU tar's formats, with the data of `sparseText`. */
export function sparseMember(
  format: (typeof SPARSE_FORMATS)[number],
  name: string,
  size: number,
  pieces: Pieces,
): Uint8Array {
  const text = sparseText(size, pieces);
  const data = Buffer.concat(pieces.map(([offset, length]) => text.subarray(offset, offset + length)));
  const plain = (body: Buffer, shown = name): Buffer =>
    Buffer.concat([rawHeader({ name: shown, flag: '0', data: body }), body, tarPadding(body.byteLength)]);
  const count = String(pieces.length);
  switch (format) {
    case 'old GNU':
      return oldGnu(name, size, pieces, data);
    case 'PAX 0.0': {
      const map = pieces.flatMap(
        ([offset, length]): Array<[string, string]> => [
          ['GNU.sparse.offset', String(offset)],
          ['GNU.sparse.numbytes', String(length)],
        ],
      );
      const records: Array<[string, string]> = [
        ['GNU.sparse.size', String(size)],
        ['GNU.sparse.numblocks', count],
        ...map,
      ];
      return Buffer.concat([paxHeader(records), plain(data)]);
    }
    case 'PAX 0.1': {
      const records: Array<[string, string]> = [
        ['GNU.sparse.name', name],
        ['GNU.sparse.size', String(size)],
        ['GNU.sparse.numblocks', count],
        ['GNU.sparse.map', pieces.flat().join(',')],
      ];
      return Buffer.concat([paxHeader(records), plain(data, 'elsewhere')]);
    }
    case 'PAX 1.0': {
      const map = Buffer.from([pieces.length, ...pieces.flat()].map((value) => `${value}\n`).join(''));
      const records: Array<[string, string]> = [
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.name', name],
        ['GNU.sparse.realsize', String(size)],
      ];
      const body = Buffer.concat([map, tarPadding(map.byteLength), data]);
      return Buffer.concat([paxHeader(records), plain(body, 'elsewhere')]);
    }
  }
}

/** What such a file reads as: every byte that is in a piece tells where it belongs. */
export function sparseText(size: number, pieces: Pieces): Buffer {
  const text = Buffer.alloc(size);
  for (const [offset, length] of pieces) {
    for (let at = offset; at < offset + length; at++) text[at] = 1 + ((at * 31) % 251);
  }
  return text;
}

function oldGnu(name: string, size: number, pieces: Pieces, data: Buffer): Buffer {
  const put = (block: Buffer, from: number, some: Pieces): void => {
    for (const [index, [offset, length]] of some.entries()) {
      number(block, offset, from + index * 24, 12);
      number(block, length, from + index * 24 + 12, 12);
    }
  };
  const patch = (header: Buffer): void => {
    put(header, 386, pieces.slice(0, 4));
    header[482] = pieces.length > 4 ? 1 : 0;
    number(header, size, 483, 12);
  };
  const blocks: Buffer[] = [rawHeader({ name, flag: 'S', data, patch })];
  for (let at = 4; at < pieces.length; at += 21) {
    const block = Buffer.alloc(512);
    put(block, 0, pieces.slice(at, at + 21));
    block[504] = at + 21 < pieces.length ? 1 : 0;
    blocks.push(block);
  }
  return Buffer.concat([...blocks, data, tarPadding(data.byteLength)]);
}
