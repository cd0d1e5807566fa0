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
  MAX_CHUNK_BITS,
  NID_UNIT,
} from './format.ts';
import type { LayerNode, NodeType } from './node.ts';

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

/** Where a node goes, decided before anything is written. */
interface Place {
  readonly node: LayerNode;
  readonly parent: LayerNode;
  readonly xattrs: Uint8Array;
  /** Sorted names of a directory, with `.` and `..`. */
  readonly names: readonly ByteString[];
  readonly counts: readonly number[];
  /** Length of a directory or of a link's target in bytes. */
  readonly dataSize: number;
  /** Bytes of that behind the inode; the rest is in blocks of its own. */
  readonly inline: number;
  readonly chunkBits: number;
  /** Offset of the inode in the file. */
  readonly offset: number;
  /** First block of its own. */
  block: number;
}

/**
 * Writes a tree as an EROFS index whose files' contents are on an extra device, the tar. In the file: the head,
 * blocks of sparse files, inodes (the root's first: the superblock has 16 bits for it), blocks of directories.
 */
export class IndexWriter {
  readonly #fd: number;
  readonly #metaStart: number;
  readonly #places: Place[] = [];
  readonly #byNode = new Map<LayerNode, Place>();
  readonly #lost: (name: string) => void;
  #end: number;

  /** `start`: bytes that the file has already, a multiple of the block size; `lost` as for encodeXattrs. */
  constructor(fd: number, start: number, lost: (name: string) => void) {
    this.#fd = fd;
    this.#metaStart = start;
    this.#end = start;
    this.#lost = lost;
  }

  /** `tarSize` in bytes. Makes the index durable. */
  write(root: LayerNode, uuid: Uint8Array, tarSize: number): void {
    this.#placeTree(root, root);
    const inodesEnd = alignUp(this.#end, BLOCK);
    let block = inodesEnd / BLOCK;
    for (const place of this.#places) {
      const own = place.dataSize - place.inline;
      if (own === 0) continue;
      place.block = block;
      block += Math.ceil(own / BLOCK);
    }
    const output = new Output(this.#fd, this.#metaStart);
    for (const [index, place] of this.#places.entries()) this.#writeInode(output, place, index + 1);
    output.padTo(inodesEnd);
    for (const place of this.#places) this.#writeBlocks(output, place);
    output.padTo(block * BLOCK);
    output.flush();
    const head = encodeHead({
      rootNid: this.#nid(root),
      inodes: this.#places.length,
      blocks: block,
      metaBlock: this.#metaStart / BLOCK,
      uuid,
      deviceBlocks: Math.ceil(tarSize / BLOCK),
    });
    writeSync(this.#fd, head, 0, HEAD_SIZE, 0);
    fsyncSync(this.#fd);
  }

  /** Depth first, with a stack of its own: a layer may be thousands of directories deep. */
  #placeTree(root: LayerNode, parentOfRoot: LayerNode): void {
    const todo: Array<{ node: LayerNode; parent: LayerNode }> = [{ node: root, parent: parentOfRoot }];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const { node, parent } = next;
      if (this.#byNode.has(node)) continue;
      const place = this.#place(node, parent);
      this.#places.push(place);
      this.#byNode.set(node, place);
      for (const child of node.children?.values() ?? []) todo.push({ node: child, parent: node });
    }
  }

  #place(node: LayerNode, parent: LayerNode): Place {
    const attributes = node.opaque ? new Map([...node.xattrs, [OPAQUE_XATTR, YES]]) : node.xattrs;
    const xattrs = encodeXattrs(attributes, this.#lost);
    const names = node.children === undefined ? [] : [...node.children.keys(), '.', '..'].sort();
    const { counts, size } = node.children === undefined ? NO_BLOCKS : directoryBlocks(names);
    const dataSize = node.type === 'symlink' ? node.target.length : size;
    const head = INODE_SIZE + xattrs.byteLength;
    const tail = dataSize % BLOCK;
    // What stands behind the inode must not cross a block's border; a link's target is all there or not at all.
    const fits = tail > 0 && head + tail <= BLOCK && (node.type !== 'symlink' || dataSize < BLOCK);
    const inline = fits ? tail : 0;
    const chunkBits = node.type === 'file' && node.size > 0 ? chunkBitsOf(node) : 0;
    let offset = alignUp(this.#end, NID_UNIT);
    const tailAt = offset + head;
    if (inline > 0 && Math.floor(tailAt / BLOCK) !== Math.floor((tailAt + inline - 1) / BLOCK)) {
      // The head alone may cross a border.
      offset = alignUp(alignUp(tailAt, BLOCK) - head, NID_UNIT);
    }
    const chunks = chunkBits === 0 ? 0 : chunksOf(node, chunkBits);
    this.#end = chunks > 0 ? alignUp(offset + head, 8) + chunks * CHUNK_INDEX_SIZE : offset + head + inline;
    return { node, parent, xattrs, names, counts, dataSize, inline, chunkBits, offset, block: 0 };
  }

  #nid(node: LayerNode): number {
    const place = this.#byNode.get(node);
    if (place === undefined) throw new TareError('internal', 'a node without a place in the index');
    return (place.offset - this.#metaStart) / NID_UNIT;
  }

  #writeInode(output: Output, place: Place, ino: number): void {
    const { node, xattrs, inline, chunkBits } = place;
    output.padTo(place.offset);
    const into = output.take(INODE_SIZE);
    const chunked = chunkBits > 0;
    encodeInode(into, 0, {
      layout: chunked ? Layout.chunked : inline > 0 ? Layout.inline : Layout.plain,
      xattrSize: xattrs.byteLength,
      mode: MODE_TYPES[node.type] | (node.type === 'whiteout' ? 0 : node.mode & 0o7777),
      size: node.type === 'file' ? node.size : place.dataSize,
      union: chunked
        ? chunkFormat(chunkBits)
        : node.type === 'character' || node.type === 'block'
          ? encodeDevice(node.major, node.minor)
          : place.block,
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
    else if (inline > 0) this.#writeDirectory(output, place, place.counts.length - 1, place.counts.length);
  }

  #writeChunks(output: Output, node: LayerNode, chunkBits: number): void {
    output.padTo(alignUp(output.position, 8));
    const chunk = 2 ** chunkBits;
    let index = 0;
    for (let at = 0; at < node.size; at += chunk) {
      while (index < node.extents.length - 1 && at >= endOf(node.extents[index])) index++;
      const extent = node.extents[index];
      const into = output.take(CHUNK_INDEX_SIZE);
      if (extent === undefined || at < extent.offset || at >= endOf(extent)) encodeChunk(into, 0, 0, HOLE);
      else encodeChunk(into, 0, extent.device, extent.block + (at - extent.offset) / BLOCK);
    }
  }

  /** What does not stand behind the inode. */
  #writeBlocks(output: Output, place: Place): void {
    const own = place.dataSize - place.inline;
    if (own === 0) return;
    output.padTo(place.block * BLOCK);
    if (place.node.type === 'symlink') output.add(Buffer.from(place.node.target, 'latin1'));
    else this.#writeDirectory(output, place, 0, Math.ceil(own / BLOCK));
  }

  #writeDirectory(output: Output, place: Place, from: number, to: number): void {
    const { node, parent, names, counts } = place;
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
        const length = isTail ? place.dataSize - index * BLOCK : BLOCK;
        encodeDirectoryBlock(output.take(length), 0, entries);
      }
      first += count;
    }
  }
}

const NO_BLOCKS = { counts: [], size: 0 };

/** The largest chunk whose borders are all borders of extents. */
function chunkBitsOf(node: LayerNode): number {
  let bits = MAX_CHUNK_BITS;
  const only = node.extents.length === 1 ? node.extents[0] : undefined;
  if (node.extents.length === 0 || (only?.offset === 0 && only.length === node.size))
    return sizeBits(node.size);
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

function chunksOf(node: LayerNode, chunkBits: number): number {
  return Math.ceil(node.size / 2 ** chunkBits);
}

/** The number of the lowest bit that is set; for 0 more than any chunk has. */
function lowestBit(value: number): number {
  let bits = 0;
  if (value === 0) return MAX_CHUNK_BITS;
  for (let rest = value; rest % 2 === 0; rest /= 2) bits++;
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
