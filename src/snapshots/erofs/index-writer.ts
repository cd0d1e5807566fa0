import { fsyncSync, writeSync } from 'node:fs';
import type { ByteString } from '../../archive/byte-string.ts';
import { toText } from '../../archive/byte-string.ts';
import { TareError } from '../../base/errors.ts';
import { FileType } from '../../kernel/files.ts';
import { OPAQUE_XATTR } from '../apply/overlay-attributes.ts';
import {
  BLOCK,
  BLOCK_BITS,
  CHUNK_INDEX_SIZE,
  chunkFormat,
  directoryBlocks,
  EntryType,
  encodeChunk,
  encodeDevice,
  encodeDirectoryBlock,
  encodeHead,
  encodeInode,
  encodeXattrs,
  HEAD_SIZE,
  HOLE,
  INODE_SIZE,
  Layout,
  lowestBit,
  MAX_CHUNK_BITS,
  NID_UNIT,
} from './format.ts';
import { extentsOf, type LayerNode, type NodeType } from './node.ts';

/** Most chunks of one file: its map takes 8 bytes for each (64 MiB), in memory and on the disk. */
const CHUNKS_LIMIT = 8 * 1024 * 1024;
const YES = Buffer.from('y');

const MODE_TYPES: Readonly<Record<NodeType, number>> = {
  file: FileType.FILE,
  directory: FileType.DIRECTORY,
  symlink: FileType.LINK,
  character: FileType.CHARACTER,
  block: FileType.BLOCK,
  fifo: FileType.FIFO,
  whiteout: FileType.CHARACTER,
};
const ENTRY_TYPES: Readonly<Record<NodeType, number>> = { ...EntryType, whiteout: EntryType.character };

/** How a node is stored; follows from the node alone. */
interface Shape {
  readonly xattrs: Uint8Array;
  /** Sorted names of a directory, with `.` and `..`, and how many go into each block. */
  readonly names: readonly ByteString[];
  readonly counts: readonly number[];
  /** Length of a directory or of a link's target in bytes. */
  readonly dataSize: number;
  /** Bytes of that behind the inode; the rest is in blocks of its own. */
  readonly inline: number;
  readonly chunkBits: number;
}

/**
 * Writes a tree as an EROFS index whose files' contents are on an extra device, the tar. In the file: the head,
 * blocks of sparse files, inodes (the root's first: the superblock has 16 bits for it), blocks of directories.
 */
export class IndexWriter {
  readonly #fd: number;
  readonly #metaStart: number;
  /** In the order of their inodes, with the directory that each was found in. */
  readonly #nodes: LayerNode[] = [];
  readonly #parents = new Map<LayerNode, LayerNode>();
  /** Blocks of directories and links, behind the inodes. */
  #blocks = 0;
  #firstBlock = 0;
  readonly #lost: (name: string) => void;
  #end: number;

  /** `start`: bytes that the file has already, a multiple of the block size; `lost` as for encodeXattrs. */
  constructor(fd: number, start: number, lost: (name: string) => void) {
    this.#fd = fd;
    this.#metaStart = start;
    // The first slot stays empty: the root would be inode 0 there, and readdir(3) takes entries of that for deleted.
    this.#end = start + NID_UNIT;
    this.#lost = lost;
  }

  /** `tarSize` in bytes. Makes the index durable. */
  write(root: LayerNode, uuid: Uint8Array, tarSize: number): void {
    this.#placeTree(root);
    const inodesEnd = alignUp(this.#end, BLOCK);
    this.#firstBlock = inodesEnd / BLOCK;
    const blocks = this.#firstBlock + this.#blocks;
    const output = new Output(this.#fd, this.#metaStart);
    for (const [index, node] of this.#nodes.entries()) this.#writeInode(output, node, index + 1);
    output.padTo(inodesEnd);
    for (const node of this.#nodes) this.#writeBlocks(output, node);
    output.padTo(blocks * BLOCK);
    output.flush();
    const head = encodeHead({
      rootNid: this.#nid(root),
      inodes: this.#nodes.length,
      blocks,
      metaBlock: this.#metaStart / BLOCK,
      uuid,
      deviceBlocks: Math.ceil(tarSize / BLOCK),
    });
    writeSync(this.#fd, head, 0, HEAD_SIZE, 0);
    fsyncSync(this.#fd);
  }

  /** Depth first, with a stack of its own: a layer may be thousands of directories deep. */
  #placeTree(root: LayerNode): void {
    const todo = [root];
    this.#parents.set(root, root);
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      // A file of several names comes several times.
      if (node.offset >= 0) continue;
      this.#place(node, shapeOf(node, this.#lost));
      this.#nodes.push(node);
      for (const child of node.children?.values() ?? []) {
        todo.push(child);
        if (child.type === 'directory') this.#parents.set(child, node);
      }
    }
  }

  #place(node: LayerNode, { xattrs, dataSize, inline, chunkBits }: Shape): void {
    const head = INODE_SIZE + xattrs.byteLength;
    let offset = alignUp(this.#end, NID_UNIT);
    const tailAt = offset + head;
    if (inline > 0 && Math.floor(tailAt / BLOCK) !== Math.floor((tailAt + inline - 1) / BLOCK)) {
      // The head alone may cross a border.
      offset = alignUp(alignUp(tailAt, BLOCK) - head, NID_UNIT);
    }
    const chunks = chunkBits === 0 ? 0 : Math.ceil(node.size / 2 ** chunkBits);
    this.#end = chunks > 0 ? alignUp(offset + head, 8) + chunks * CHUNK_INDEX_SIZE : offset + head + inline;
    node.offset = offset;
    node.block = this.#blocks;
    this.#blocks += Math.ceil((dataSize - inline) / BLOCK);
  }

  #nid(node: LayerNode): number {
    if (node.offset < 0) throw new TareError('internal', 'a node without a place in the index');
    return (node.offset - this.#metaStart) / NID_UNIT;
  }

  #writeInode(output: Output, node: LayerNode, ino: number): void {
    const shape = shapeOf(node, () => {});
    const { xattrs, dataSize, inline, chunkBits } = shape;
    output.padTo(node.offset);
    const into = output.take(INODE_SIZE);
    const chunked = chunkBits > 0;
    encodeInode(into, 0, {
      layout: chunked ? Layout.chunked : inline > 0 ? Layout.inline : Layout.plain,
      xattrSize: xattrs.byteLength,
      mode: MODE_TYPES[node.type] | (node.type === 'whiteout' ? 0 : node.mode & 0o7777),
      size: node.type === 'file' ? node.size : dataSize,
      union: chunked
        ? chunkFormat(chunkBits)
        : node.type === 'character' || node.type === 'block'
          ? encodeDevice(node.major, node.minor)
          : dataSize > inline
            ? this.#firstBlock + node.block
            : 0,
      ino,
      uid: node.uid,
      gid: node.gid,
      seconds: node.seconds,
      nanoseconds: node.nanoseconds,
      links: node.children === undefined ? node.links : 2 + subdirectories(node),
    });
    output.add(xattrs);
    if (chunked) this.#writeChunks(output, node, chunkBits);
    else if (inline > 0 && node.type === 'symlink') output.add(Buffer.from(node.target, 'latin1'));
    else if (inline > 0)
      this.#writeDirectory(output, node, shape, shape.counts.length - 1, shape.counts.length);
  }

  #writeChunks(output: Output, node: LayerNode, chunkBits: number): void {
    output.padTo(alignUp(output.position, 8));
    const chunk = 2 ** chunkBits;
    const extents = extentsOf(node);
    let index = 0;
    for (let at = 0; at < node.size; at += chunk) {
      while (index < extents.length - 1 && at >= endOf(extents[index])) index++;
      const extent = extents[index];
      const into = output.take(CHUNK_INDEX_SIZE);
      if (extent === undefined || at < extent.offset || at >= endOf(extent)) encodeChunk(into, 0, 0, HOLE);
      else encodeChunk(into, 0, extent.device, extent.block + (at - extent.offset) / BLOCK);
    }
  }

  /** What does not stand behind the inode. */
  #writeBlocks(output: Output, node: LayerNode): void {
    if (node.type !== 'symlink' && node.type !== 'directory') return;
    const shape = shapeOf(node, () => {});
    const own = shape.dataSize - shape.inline;
    if (own === 0) return;
    output.padTo((this.#firstBlock + node.block) * BLOCK);
    if (node.type === 'symlink') output.add(Buffer.from(node.target, 'latin1'));
    else this.#writeDirectory(output, node, shape, 0, Math.ceil(own / BLOCK));
  }

  #writeDirectory(output: Output, node: LayerNode, shape: Shape, from: number, to: number): void {
    const { names, counts, dataSize } = shape;
    const parent = this.#parents.get(node);
    let first = 0;
    for (let index = 0; index < to; index++) {
      const count = counts[index] ?? 0;
      if (index >= from) {
        const entries = names.slice(first, first + count).map((name) => {
          const child = name === '.' ? node : name === '..' ? parent : node.children?.get(name);
          if (child === undefined) throw new TareError('internal', `no child ${toText(name)}`);
          return { name, nid: this.#nid(child), type: ENTRY_TYPES[child.type] };
        });
        const isTail = index === counts.length - 1;
        const length = isTail ? dataSize - index * BLOCK : BLOCK;
        encodeDirectoryBlock(output.take(length), 0, entries);
      }
      first += count;
    }
  }
}

const NO_NAMES: readonly ByteString[] = [];
const NO_BLOCKS = { counts: [], size: 0 };

/** `lost` as for encodeXattrs. */
function shapeOf(node: LayerNode, lost: (name: string) => void): Shape {
  const attributes = node.opaque ? new Map([...node.xattrs, [OPAQUE_XATTR, YES]]) : node.xattrs;
  const xattrs = encodeXattrs(attributes, lost);
  if (node.type === 'file') {
    const chunkBits = node.size > 0 ? chunkBitsOf(node) : 0;
    return { xattrs, names: NO_NAMES, ...NO_BLOCKS, dataSize: 0, inline: 0, chunkBits };
  }
  const names = node.children === undefined ? NO_NAMES : [...node.children.keys(), '.', '..'].sort();
  const { counts, size } = node.children === undefined ? NO_BLOCKS : directoryBlocks(names);
  const dataSize = node.type === 'symlink' ? node.target.length : size;
  const tail = dataSize % BLOCK;
  // What stands behind the inode must not cross a block's border; a link's target is all there or not at all.
  const fits = tail > 0 && INODE_SIZE + xattrs.byteLength + tail <= BLOCK;
  const isInline = fits && (node.type !== 'symlink' || dataSize < BLOCK);
  return { xattrs, names, counts, dataSize, inline: isInline ? tail : 0, chunkBits: 0 };
}

/** The largest chunk whose borders are all borders of extents. */
function chunkBitsOf(node: LayerNode): number {
  if (node.extents.length === 0) return sizeBits(node.size);
  let bits = MAX_CHUNK_BITS;
  for (const { offset, length } of node.extents) {
    bits = Math.min(bits, lowestBit(offset));
    if (offset + length < node.size) bits = Math.min(bits, lowestBit(length));
  }
  bits = Math.min(bits, sizeBits(node.size));
  if (node.size / 2 ** bits > CHUNKS_LIMIT) {
    throw new TareError(
      'not-implemented',
      `a sparse file of ${node.size} bytes is too finely scattered to be shown from the layer: set "storage-driver": "overlay" for such images`,
    );
  }
  return bits;
}

/** The smallest chunk that holds `size` bytes. */
function sizeBits(size: number): number {
  let bits = BLOCK_BITS;
  while (2 ** bits < size && bits < MAX_CHUNK_BITS) bits++;
  return bits;
}

function endOf(extent: { readonly offset: number; readonly length: number } | undefined): number {
  return extent === undefined ? Number.POSITIVE_INFINITY : extent.offset + extent.length;
}

function subdirectories(node: LayerNode): number {
  let count = 0;
  for (const child of node.children?.values() ?? []) if (child.type === 'directory') count++;
  return count;
}

function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Writes to a file from a position on, through a buffer. */
class Output {
  readonly #fd: number;
  #buffer = Buffer.alloc(256 * 1024);
  #filled = 0;
  #start: number;

  constructor(fd: number, start: number) {
    this.#fd = fd;
    this.#start = start;
  }

  get position(): number {
    return this.#start + this.#filled;
  }

  /** Zeroed room of `length` bytes, at most a block or an inode's: to be filled before the next call. */
  take(length: number): Buffer {
    if (this.#filled + length > this.#buffer.byteLength) this.flush();
    const room = this.#buffer.subarray(this.#filled, this.#filled + length);
    room.fill(0);
    this.#filled += length;
    return room;
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; at += BLOCK) {
      const part = bytes.subarray(at, at + BLOCK);
      this.take(part.byteLength).set(part);
    }
  }

  padTo(position: number): void {
    while (this.position < position) this.take(Math.min(BLOCK, position - this.position));
  }

  flush(): void {
    for (let at = 0; at < this.#filled; ) {
      at += writeSync(this.#fd, this.#buffer, at, this.#filled - at, this.#start + at);
    }
    this.#start += this.#filled;
    this.#filled = 0;
  }
}
