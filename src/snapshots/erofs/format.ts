/*
 * The on-disk format of EROFS as far as an index over a tar needs it (kernel fs/erofs/erofs_fs.h and
 * Documentation/filesystems/erofs.rst): uncompressed, extended inodes, 512-byte blocks, chunks on an extra device.
 * All numbers are little-endian.
 */

export const BLOCK_BITS = 9;
export const BLOCK = 1 << BLOCK_BITS;
const MAGIC = 0xe0f5e1e2;
/** Where the superblock stands, whatever the block size. */
const SUPER_OFFSET = 1024;
const SUPER_SIZE = 128;
/** The table of extra devices follows the superblock; its place counts in slots of 128 bytes. */
const DEVICE_SLOT = 128;
/** First byte behind superblock and device table: here data or inodes may begin. */
export const HEAD_SIZE = 2048;
const FEATURE_CHUNKED_FILE = 0x4;
const FEATURE_DEVICE_TABLE = 0x8;
/** A node id counts in units of 32 bytes from the start of the metadata. */
export const NID_UNIT = 32;
export const INODE_SIZE = 64;

/** Where an inode's data is (bits 1 to 3 of its format). */
export const Layout = { plain: 0, inline: 2, chunked: 4 } as const;
/** A chunk that is a hole. */
export const HOLE = 0xffffffff;
export const CHUNK_INDEX_SIZE = 8;
/** Largest chunk: the field for its size has five bits. */
export const MAX_CHUNK_BITS = BLOCK_BITS + 31;
const CHUNK_INDEXES = 0x20;

/** File types of directory entries (include/linux/fs_types.h). */
export const EntryType = { file: 1, directory: 2, character: 3, block: 4, fifo: 5, symlink: 7 } as const;
const DIRENT_SIZE = 12;

export interface Superblock {
  readonly rootNid: number;
  readonly inodes: number;
  /** Blocks of the index file itself. */
  readonly blocks: number;
  /** Block where node id 0 would stand. */
  readonly metaBlock: number;
  readonly uuid: Uint8Array;
  /** Blocks of the extra device. */
  readonly deviceBlocks: number;
}

/** The first HEAD_SIZE bytes of an index. */
export function encodeHead(facts: Superblock): Buffer {
  const head = Buffer.alloc(HEAD_SIZE);
  const at = SUPER_OFFSET;
  head.writeUInt32LE(MAGIC, at);
  head[at + 12] = BLOCK_BITS;
  head.writeUInt16LE(facts.rootNid, at + 14);
  head.writeBigUInt64LE(BigInt(facts.inodes), at + 16);
  head.writeUInt32LE(facts.blocks, at + 36);
  head.writeUInt32LE(facts.metaBlock, at + 40);
  head.set(facts.uuid.subarray(0, 16), at + 48);
  head.writeUInt32LE(FEATURE_CHUNKED_FILE | FEATURE_DEVICE_TABLE, at + 80);
  head.writeUInt16LE(1, at + 86);
  head.writeUInt16LE((SUPER_OFFSET + SUPER_SIZE) / DEVICE_SLOT, at + 88);
  // The device's tag stays empty: the mount names the device.
  head.writeUInt32LE(facts.deviceBlocks, at + SUPER_SIZE + 64);
  return head;
}

export interface InodeFacts {
  readonly layout: number;
  /** Length of the extended attributes behind the inode in bytes, with their header; 0 none. */
  readonly xattrSize: number;
  /** st_mode: type and permissions. */
  readonly mode: number;
  readonly size: number;
  /** By layout and type: start block, device number or chunk format. */
  readonly union: number;
  readonly ino: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly links: number;
}

/** Writes an extended inode of INODE_SIZE bytes. */
export function encodeInode(into: Buffer, at: number, inode: InodeFacts): void {
  into.writeUInt16LE(1 | (inode.layout << 1), at);
  into.writeUInt16LE(inode.xattrSize === 0 ? 0 : (inode.xattrSize - XATTR_HEADER) / 4 + 1, at + 2);
  into.writeUInt16LE(inode.mode, at + 4);
  writeInt64(into, inode.size, at + 8);
  into.writeUInt32LE(inode.union, at + 16);
  into.writeUInt32LE(inode.ino, at + 20);
  into.writeUInt32LE(inode.uid, at + 24);
  into.writeUInt32LE(inode.gid, at + 28);
  writeInt64(into, inode.seconds, at + 32);
  into.writeUInt32LE(inode.nanoseconds, at + 40);
  into.writeUInt32LE(inode.links, at + 44);
}

/** A safe integer in 8 bytes, several times faster than by way of a BigInt. */
function writeInt64(into: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 2 ** 32);
  into.writeUInt32LE(value - high * 2 ** 32, at);
  into.writeInt32LE(high, at + 4);
}

/** The number of the lowest bit that is set; for 0 more than any chunk has. */
export function lowestBit(value: number): number {
  let bits = 0;
  if (value === 0) return MAX_CHUNK_BITS;
  for (let rest = value; rest % 2 === 0; rest /= 2) bits++;
  return bits;
}

/** The inode's chunk format for chunks of `1 << bits` bytes. */
export function chunkFormat(bits: number): number {
  return CHUNK_INDEXES | (bits - BLOCK_BITS);
}

/** Writes where a chunk lies: the first of its blocks on device 0 (the index itself) or 1 (the tar). */
export function encodeChunk(into: Buffer, at: number, device: number, block: number): void {
  into.writeUInt16LE(block === HOLE ? 0 : device, at + 2);
  into.writeUInt32LE(block, at + 4);
}

/** As the kernel's new_encode_dev. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

export interface DirectoryEntry {
  /** A byte string. */
  readonly name: string;
  readonly nid: number;
  readonly type: number;
}

/**
 * How entries, sorted by name, fall into blocks: the number of entries of each block and the length of the whole
 * in bytes. A name is never longer than 255 bytes, so at least one fits.
 */
export function directoryBlocks(names: Iterable<string>): { counts: number[]; size: number } {
  const counts: number[] = [];
  let used = 0;
  let count = 0;
  for (const name of names) {
    const need = DIRENT_SIZE + name.length;
    if (used + need > BLOCK) {
      counts.push(count);
      used = 0;
      count = 0;
    }
    used += need;
    count++;
  }
  const size = counts.length * BLOCK + used;
  counts.push(count);
  return { counts, size };
}

/** Writes one block's entries at `at`: first the records, then the names. */
export function encodeDirectoryBlock(into: Buffer, at: number, entries: readonly DirectoryEntry[]): void {
  let nameOffset = entries.length * DIRENT_SIZE;
  for (const [index, { name, nid, type }] of entries.entries()) {
    const record = at + index * DIRENT_SIZE;
    writeInt64(into, nid, record);
    into.writeUInt16LE(nameOffset, record + 8);
    into[record + 10] = type;
    into.write(name, at + nameOffset, 'latin1');
    nameOffset += name.length;
  }
}

const XATTR_HEADER = 12;

/** Prefixes of attribute names that have a number; a name with none of them cannot be kept. */
const XATTR_PREFIXES: ReadonlyArray<readonly [string, number]> = [
  ['user.', 1],
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['trusted.', 4],
  ['security.', 6],
];

/** Most bytes of attributes that an inode can have: their length counts in 4 bytes, in 16 bits. */
const XATTR_LIMIT = 65534 * 4;

/**
 * Extended attributes as they stand behind an inode; empty for none. `lost` hears the names that the format cannot
 * express: an unknown prefix, or more than it has room for.
 */
export function encodeXattrs(
  attributes: ReadonlyMap<string, Uint8Array>,
  lost: (name: string) => void,
): Uint8Array {
  if (attributes.size === 0) return NO_XATTRS;
  const parts: Buffer[] = [Buffer.alloc(XATTR_HEADER)];
  let size = XATTR_HEADER;
  for (const [name, value] of attributes) {
    const prefix = XATTR_PREFIXES.find(([text, index]) =>
      index === 2 || index === 3 ? name === text : name.startsWith(text) && name.length > text.length,
    );
    const rest = prefix === undefined ? '' : name.slice(prefix[0].length);
    const length = (4 + rest.length + value.byteLength + 3) & ~3;
    if (
      prefix === undefined ||
      rest.length > 255 ||
      value.byteLength > 0xffff ||
      size + length > XATTR_LIMIT
    ) {
      lost(name);
      continue;
    }
    const entry = Buffer.alloc(length);
    entry[0] = rest.length;
    entry[1] = prefix[1];
    entry.writeUInt16LE(value.byteLength, 2);
    entry.write(rest, 4, 'latin1');
    entry.set(value, 4 + rest.length);
    parts.push(entry);
    size += length;
  }
  return parts.length === 1 ? NO_XATTRS : Buffer.concat(parts);
}

const NO_XATTRS = new Uint8Array(0);
