import { BLOCK } from './format.ts';
import { extentsOf, type LayerNode } from './node.ts';
import type { SparseBlocks } from './sparse.ts';

/**
 * The last block of a file's contents in the tar. What fills it up is zeros in every sane archive, but nothing says
 * that it must be; and whoever maps the file into memory sees it behind the file's end, where only zeros may be. If
 * there is something else, the block is shown from a copy in the index file.
 */
export class TailBlock {
  readonly #blocks: SparseBlocks;
  readonly #bytes = Buffer.alloc(BLOCK);
  #node: LayerNode | undefined;
  #stored = 0;
  /** Bytes of padding that are still to come. */
  #padding = 0;

  constructor(blocks: SparseBlocks) {
    this.#blocks = blocks;
  }

  /** A file's contents begin, or those of a member that is no file. */
  begin(node: LayerNode | undefined): void {
    this.#node = node;
    this.#stored = 0;
    this.#padding = 0;
  }

  data(bytes: Uint8Array): void {
    if (this.#node === undefined) return;
    const end = this.#stored + bytes.byteLength;
    const from = Math.max(this.#stored, Math.floor((end - 1) / BLOCK) * BLOCK);
    this.#bytes.set(bytes.subarray(from - this.#stored), from % BLOCK);
    this.#stored = end;
    this.#padding = (BLOCK - (end % BLOCK)) % BLOCK;
  }

  /** What is no contents: the padding comes first. */
  raw(bytes: Uint8Array): void {
    if (this.#padding === 0) return;
    const part = bytes.subarray(0, this.#padding);
    this.#padding -= part.byteLength;
    if (this.#node === undefined || part.every((byte) => byte === 0)) return;
    this.#padding = 0;
    const extents = [...extentsOf(this.#node)];
    const last = extents.pop();
    // What is put together from pieces is in the index file already.
    if (last === undefined || last.device === 0) return;
    this.#bytes.fill(0, this.#stored % BLOCK);
    const rest = last.length % BLOCK;
    const head = last.length - rest;
    if (head > 0) extents.push({ ...last, length: head });
    const block = this.#blocks.reserve(1);
    this.#blocks.write(block, this.#bytes);
    extents.push({ offset: last.offset + head, length: rest, device: 0, block });
    this.#node.extents = extents;
    this.#node.tarBlock = -1;
  }
}
