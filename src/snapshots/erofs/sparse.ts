import { writeSync } from 'node:fs';
import type { SparsePiece } from '../../archive/tar-entry.ts';
import { BLOCK, HEAD_SIZE } from './format.ts';
import type { Extent } from './node.ts';

/** Writes blocks into the index file, behind its head. */
export class SparseBlocks {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(128 * BLOCK);
  #filled = 0;
  #written = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes one block of BLOCK bytes and returns its number in the file. */
  append(block: Uint8Array): number {
    if (this.#filled === this.#buffer.byteLength) this.flush();
    this.#buffer.set(block, this.#filled);
    const number = (HEAD_SIZE + this.#written + this.#filled) / BLOCK;
    this.#filled += BLOCK;
    return number;
  }

  /** Writes what is left; returns the length of the file in bytes. */
  flush(): number {
    for (let at = 0; at < this.#filled; ) {
      at += writeSync(this.#fd, this.#buffer, at, this.#filled - at, HEAD_SIZE + this.#written + at);
    }
    this.#written += this.#filled;
    this.#filled = 0;
    return HEAD_SIZE + this.#written;
  }
}

/**
 * A sparse file's contents. Pieces on block borders are shown from the tar, where they lie one behind the other;
 * if there are others, all the blocks that have data are put together in the index file.
 */
export class SparseFile {
  readonly #pieces: readonly SparsePiece[];
  readonly #blocks: SparseBlocks;
  readonly #fromTar: Extent[] | undefined;
  readonly #copied: Extent[] = [];
  readonly #block = Buffer.alloc(BLOCK);
  /** Number in the file of the block that is being put together; -1 none. */
  #number = -1;
  #piece = 0;
  #inPiece = 0;

  /** `size`: length of the file; `tarBlock`: where its stored bytes begin. */
  constructor(size: number, pieces: readonly SparsePiece[], tarBlock: number, blocks: SparseBlocks) {
    this.#pieces = pieces.filter((piece) => piece.length > 0);
    this.#blocks = blocks;
    const aligned = this.#pieces.every(
      ({ offset, length }) => offset % BLOCK === 0 && (length % BLOCK === 0 || offset + length === size),
    );
    if (!aligned) return;
    let block = tarBlock;
    this.#fromTar = this.#pieces.map(({ offset, length }) => {
      const extent = { offset, length, device: 1, block };
      block += Math.ceil(length / BLOCK);
      return extent;
    });
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
    const block = this.#blocks.append(this.#block);
    const offset = this.#number * BLOCK;
    const last = this.#copied.at(-1);
    const follows =
      last !== undefined &&
      last.offset + last.length === offset &&
      last.block + last.length / BLOCK === block;
    if (follows) this.#copied[this.#copied.length - 1] = { ...last, length: last.length + BLOCK };
    else this.#copied.push({ offset, length: BLOCK, device: 0, block });
  }

  finish(): Extent[] {
    if (this.#fromTar !== undefined) return this.#fromTar;
    this.#store();
    return this.#copied;
  }
}
