import { writeSync } from 'node:fs';
import type { SparsePiece } from '../../archive/tar-entry.ts';
import { TareError } from '../../base/errors.ts';
import { BLOCK, BLOCK_BITS, CHUNK_INDEX_SIZE, HEAD_SIZE, HOLE, lowestBit } from './format.ts';
import type { Extent } from './node.ts';

/** Chunks that a copied file is cut into at most: their map takes a megabyte. */
const COPIED_CHUNKS = 128 * 1024;

/** Writes blocks into the index file, behind its head. What is reserved and not written is a hole on the disk. */
export class SparseBlocks {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(128 * BLOCK);
  /** Where the buffer belongs in the file, in bytes, and what it holds. */
  #start = HEAD_SIZE;
  #filled = 0;
  #end = HEAD_SIZE;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Returns the number in the file of the first of `count` blocks. */
  reserve(count: number): number {
    const first = this.#end / BLOCK;
    if (first + count >= HOLE) {
      throw new TareError(
        'not-implemented',
        'a sparse file in the layer is too large to be shown from it: set "storage-driver": "overlay" for such images',
      );
    }
    this.#end += count * BLOCK;
    return first;
  }

  /** Writes one block of BLOCK bytes. */
  write(number: number, block: Uint8Array): void {
    const follows = number * BLOCK === this.#start + this.#filled;
    if (!follows || this.#filled === this.#buffer.byteLength) {
      this.#writeOut();
      this.#start = number * BLOCK;
    }
    this.#buffer.set(block, this.#filled);
    this.#filled += BLOCK;
  }

  #writeOut(): void {
    for (let at = 0; at < this.#filled; ) {
      at += writeSync(this.#fd, this.#buffer, at, this.#filled - at, this.#start + at);
    }
    this.#filled = 0;
  }

  /** Writes what is left; returns the length of the file in bytes. */
  flush(): number {
    this.#writeOut();
    return this.#end;
  }
}

/**
 * A sparse file's contents. Pieces on block borders are shown from the tar, where they lie one behind the other. If
 * there are others, or if the map of the chunks would be larger than the data, all chunks that have data are put
 * together in the index file.
 */
export class SparseFile {
  readonly #pieces: readonly SparsePiece[];
  readonly #blocks: SparseBlocks;
  readonly #fromTar: Extent[] | undefined;
  readonly #copied: Extent[] = [];
  readonly #block = Buffer.alloc(BLOCK);
  /** Blocks of a chunk that is copied. */
  readonly #chunkBlocks: number;
  /** Number in the file of the block that is being put together; -1 none. */
  #number = -1;
  #piece = 0;
  #inPiece = 0;

  /** `size`: length of the file; `tarBlock`: where its stored bytes begin. */
  constructor(size: number, pieces: readonly SparsePiece[], tarBlock: number, blocks: SparseBlocks) {
    this.#pieces = pieces.filter((piece) => piece.length > 0);
    this.#blocks = blocks;
    this.#chunkBlocks = 2 ** Math.max(0, Math.ceil(Math.log2(size / BLOCK / COPIED_CHUNKS)));
    if (!this.#canShow(size)) return;
    let block = tarBlock;
    this.#fromTar = this.#pieces.map(({ offset, length }) => {
      const extent = { offset, length, device: 1, block };
      block += Math.ceil(length / BLOCK);
      return extent;
    });
  }

  #canShow(size: number): boolean {
    let bits = 53;
    let stored = 0;
    for (const { offset, length } of this.#pieces) {
      if (offset > 0) bits = Math.min(bits, lowestBit(offset));
      if (offset + length !== size) bits = Math.min(bits, lowestBit(length));
      stored += length;
    }
    if (bits < BLOCK_BITS) return false;
    const map = (size / 2 ** bits) * CHUNK_INDEX_SIZE;
    return map <= Math.max(COPIED_CHUNKS * CHUNK_INDEX_SIZE, stored);
  }

  data(bytes: Uint8Array): void {
    if (this.#fromTar !== undefined) return;
    for (let at = 0; at < bytes.byteLength; ) {
      // The parser has checked that the pieces are as long together as the data.
      const piece = this.#pieces[this.#piece];
      if (piece === undefined) return;
      const offset = piece.offset + this.#inPiece;
      const inBlock = offset % BLOCK;
      const length = Math.min(BLOCK - inBlock, piece.length - this.#inPiece, bytes.byteLength - at);
      this.#turnTo((offset - inBlock) / BLOCK);
      this.#block.set(bytes.subarray(at, at + length), inBlock);
      at += length;
      this.#inPiece += length;
      if (this.#inPiece < piece.length) continue;
      this.#piece++;
      this.#inPiece = 0;
    }
  }

  #turnTo(number: number): void {
    if (number === this.#number) return;
    this.#store();
    this.#number = number;
    this.#block.fill(0);
  }

  #store(): void {
    if (this.#number < 0) return;
    const inChunk = this.#number % this.#chunkBlocks;
    this.#blocks.write(this.#chunkAt((this.#number - inChunk) * BLOCK) + inChunk, this.#block);
  }

  /** The first block of the chunk for this offset in the file; chunks come in order. */
  #chunkAt(offset: number): number {
    const length = this.#chunkBlocks * BLOCK;
    const last = this.#copied.at(-1);
    if (last !== undefined && offset < last.offset + last.length) {
      return last.block + (offset - last.offset) / BLOCK;
    }
    const block = this.#blocks.reserve(this.#chunkBlocks);
    const follows =
      last !== undefined &&
      last.offset + last.length === offset &&
      last.block + last.length / BLOCK === block;
    if (follows) this.#copied[this.#copied.length - 1] = { ...last, length: last.length + length };
    else this.#copied.push({ offset, length, device: 0, block });
    return block;
  }

  finish(): Extent[] {
    if (this.#fromTar !== undefined) return this.#fromTar;
    this.#store();
    return this.#copied;
  }
}
