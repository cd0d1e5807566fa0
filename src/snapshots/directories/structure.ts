import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { ByteString } from '../../archive/byte-string.ts';
import { TareError } from '../../base/errors.ts';

/*
 * A layer's *structure*: its tar without the contents of the files that lie in the tree, so that the tar can be
 * put together again byte for byte. The file is a sequence of blocks, each a 4-byte little-endian length and a
 * zstd frame; the plain bytes are records:
 *
 *   L length bytes    literally these bytes
 *   F length path size    the `size` bytes of the file at `path`
 *
 * with lengths as unsigned 32-bit and sizes as 64-bit little-endian numbers. A block holds whole records.
 */

/** Plain bytes a block holds, about. */
const BLOCK = 256 * 1024;
/** Longest literal record in bytes; longer ones are split. */
const LITERAL_LIMIT = 128 * 1024;
const LITERAL = 0x4c;
const FILE = 0x46;

export type StructureRecord =
  | { readonly literal: Uint8Array }
  | { readonly path: ByteString; readonly size: number };

/** Writes a structure. Synchronous: for the Worker. */
export class StructureWriter {
  readonly #fd: number;
  #buffer = Buffer.alloc(BLOCK + LITERAL_LIMIT + 64 * 1024);
  #length = 0;
  /** Start of the literal record that is being extended; -1 none. */
  #open = -1;
  /** Number of `file` records so far. */
  records = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600);
  }

  literal(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#open < 0) {
        this.#buffer[this.#length] = LITERAL;
        this.#open = this.#length;
        this.#length += 5;
      }
      const room = LITERAL_LIMIT - (this.#length - this.#open - 5);
      const part = bytes.subarray(at, at + room);
      this.#buffer.set(part, this.#length);
      this.#length += part.byteLength;
      at += part.byteLength;
      if (part.byteLength === room) this.#closeLiteral();
    }
  }

  file(path: ByteString, size: number): void {
    this.#closeLiteral();
    this.#buffer[this.#length] = FILE;
    const length = this.#buffer.write(path, this.#length + 5, 'latin1');
    this.#buffer.writeUInt32LE(length, this.#length + 1);
    this.#buffer.writeBigUInt64LE(BigInt(size), this.#length + 5 + length);
    this.#length += 13 + length;
    this.records++;
    this.#flushIfFull();
  }

  #closeLiteral(): void {
    if (this.#open < 0) return;
    this.#buffer.writeUInt32LE(this.#length - this.#open - 5, this.#open + 1);
    this.#open = -1;
    this.#flushIfFull();
  }

  #flushIfFull(): void {
    if (this.#length >= BLOCK) this.#flush();
  }

  #flush(): void {
    if (this.#length === 0) return;
    const frame = zstdCompressSync(this.#buffer.subarray(0, this.#length));
    const head = Buffer.alloc(4);
    head.writeUInt32LE(frame.byteLength);
    const block = Buffer.concat([head, frame]);
    for (let at = 0; at < block.byteLength; ) at += writeSync(this.#fd, block, at);
    this.#length = 0;
  }

  /** Writes what is left and closes. The caller syncs the file system. */
  finish(): void {
    this.#closeLiteral();
    this.#flush();
    closeSync(this.#fd);
  }

  /** Closes without caring for what was not written. */
  abandon(): void {
    closeSync(this.#fd);
  }
}

/** Reads a structure block by block. Throws `corrupt` when the file is damaged. */
export function* readStructure(path: string): Generator<StructureRecord> {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(4);
    while (readFully(fd, head, path)) {
      const frame = Buffer.alloc(head.readUInt32LE());
      if (!readFully(fd, frame, path)) throw damaged(path);
      yield* parseBlock(zstdDecompressSync(frame), path);
    }
  } finally {
    closeSync(fd);
  }
}

function* parseBlock(block: Buffer, path: string): Generator<StructureRecord> {
  let at = 0;
  while (at < block.byteLength) {
    const kind = block[at];
    const length = at + 5 <= block.byteLength ? block.readUInt32LE(at + 1) : block.byteLength;
    const start = at + 5;
    at = start + length + (kind === FILE ? 8 : 0);
    if (at > block.byteLength || (kind !== FILE && kind !== LITERAL)) throw damaged(path);
    if (kind === LITERAL) yield { literal: block.subarray(start, start + length) };
    else {
      yield {
        path: block.toString('latin1', start, start + length),
        size: Number(block.readBigUInt64LE(start + length)),
      };
    }
  }
}

/** False at the end of the file. */
function readFully(fd: number, buffer: Buffer, path: string): boolean {
  let at = 0;
  while (at < buffer.byteLength) {
    const count = readSync(fd, buffer, at, buffer.byteLength - at, null);
    if (count === 0) {
      if (at === 0) return false;
      throw damaged(path);
    }
    at += count;
  }
  return true;
}

function damaged(path: string): TareError {
  return new TareError(
    'corrupt',
    `the layer's structure file ${path} is damaged: remove and pull the image again`,
  );
}
