import type { Breath } from '../base/streams.ts';
import { codeOf } from '../kernel/errno.ts';
import { closeFile, FileType, OpenFlag, openAt, readInto, readLinkAt, statusOfFd } from '../kernel/files.ts';
import { getXattr, listXattrs } from '../kernel/xattr.ts';
import type { ByteString } from './byte-string.ts';
import type { OutputBuffer } from './output-buffer.ts';
import type { TarType } from './tar-entry.ts';
import { encodeTarHeader, type TarMember, tarPadding } from './tar-writer.ts';
import type { TreeItem } from './tree-walk.ts';

const TYPES: Readonly<Record<number, TarType>> = {
  [FileType.FILE]: 'file',
  [FileType.DIRECTORY]: 'directory',
  [FileType.LINK]: 'symlink',
  [FileType.CHARACTER]: 'character',
  [FileType.BLOCK]: 'block',
  [FileType.FIFO]: 'fifo',
};

/** Writes items of a tree as members of a tar into an OutputBuffer. One instance a tar: it knows hard links. */
export class MemberWriter {
  readonly #output: OutputBuffer;
  readonly #breath: Breath;
  readonly #keepXattr: (name: string) => boolean;
  /** First path of each file with several names, by device and inode. */
  readonly #inodes = new Map<string, ByteString>();

  constructor(output: OutputBuffer, breath: Breath, keepXattr: (name: string) => boolean) {
    this.#output = output;
    this.#breath = breath;
    this.#keepXattr = keepXattr;
  }

  /** Copies bytes out, yielding full pieces. */
  async *bytes(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; ) {
      at += this.#output.add(bytes.subarray(at));
      if (this.#output.full) yield this.#output.take();
    }
  }

  /**
   * One item under `name` (its path unless told otherwise). Times are whole seconds, as Docker writes them.
   * Sockets cannot be in a tar and are left out; so is what vanishes.
   */
  async *member(item: TreeItem, name: ByteString = item.path): AsyncGenerator<Uint8Array> {
    const { status } = item;
    const type = TYPES[status.mode & FileType.MASK];
    if (type === undefined || name === '') return;
    const { mode, uid, gid, seconds } = status;
    const base = { type, name, mode: mode & 0o7777, uid, gid, seconds };
    const inode = `${status.device}:${status.inode}`;
    // Links and special files may have several names too; a directory's links are its subdirectories.
    const isNamed = status.links > 1 && type !== 'directory';
    const first = isNamed ? this.#inodes.get(inode) : undefined;
    if (first !== undefined) {
      yield* this.bytes(encodeTarHeader({ ...base, type: 'link', linkName: first }));
    } else if (type === 'file') {
      yield* this.#file(item, base, inode);
    } else {
      const header = this.header(item, name);
      if (header === undefined) return;
      if (isNamed) this.#inodes.set(inode, name);
      yield* this.bytes(header);
    }
  }

  /** The header of an item that has no contents; undefined when it is a file or socket or has vanished. */
  header(item: TreeItem, name: ByteString = item.path): Uint8Array | undefined {
    const { status } = item;
    const type = TYPES[status.mode & FileType.MASK];
    const xattrs = this.#xattrs(`/proc/self/fd/${item.directory}/${item.base}`);
    if (type === undefined || type === 'file' || xattrs === undefined) return undefined;
    const linkName = type === 'symlink' ? readLink(item) : '';
    if (linkName === undefined) return undefined;
    const isDevice = type === 'character' || type === 'block';
    return encodeTarHeader({
      type,
      name,
      linkName,
      xattrs,
      mode: type === 'symlink' ? 0o777 : status.mode & 0o7777,
      uid: status.uid,
      gid: status.gid,
      seconds: status.seconds,
      major: isDevice ? status.major : 0,
      minor: isDevice ? status.minor : 0,
    });
  }

  async *#file(item: TreeItem, base: TarMember, inode: string): AsyncGenerator<Uint8Array> {
    // A fifo that took the file's place must not block us.
    const fd = openOrUndefined(item, OpenFlag.RDONLY | OpenFlag.NOFOLLOW | OpenFlag.NONBLOCK);
    if (fd === undefined) return;
    try {
      const status = statusOfFd(fd, item.path);
      if ((status.mode & FileType.MASK) !== FileType.FILE) return;
      const xattrs = this.#xattrs(`/proc/self/fd/${item.directory}/${item.base}`);
      if (xattrs === undefined) return;
      if (status.links > 1) this.#inodes.set(inode, base.name);
      yield* this.bytes(encodeTarHeader({ ...base, size: status.size, xattrs }));
      yield* this.contents(fd, status.size, item.path);
      yield* this.bytes(tarPadding(status.size));
    } finally {
      closeFile(fd);
    }
  }

  /** Exactly `size` bytes of a file; zeros when it has become shorter. */
  async *contents(fd: number, size: number, subject: string): AsyncGenerator<Uint8Array> {
    let left = size;
    while (left > 0) {
      const room = this.#output.room;
      const space = room.byteLength > left ? room.subarray(0, left) : room;
      let count = readInto(fd, space, subject);
      if (count === 0) {
        space.fill(0);
        count = space.byteLength;
      }
      this.#output.filled(count);
      left -= count;
      if (this.#output.full) yield this.#output.take();
      if (this.#breath.due) await this.#breath.take();
    }
  }

  /** Undefined when the file has vanished. */
  #xattrs(path: string): Map<ByteString, Uint8Array> | undefined {
    const xattrs = new Map<ByteString, Uint8Array>();
    try {
      for (const name of listXattrs(path)) {
        if (!this.#keepXattr(name)) continue;
        const value = getXattr(path, name);
        if (value !== undefined) xattrs.set(name, value);
      }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    return xattrs;
  }
}

function readLink(item: TreeItem): ByteString | undefined {
  try {
    return readLinkAt(item.directory, item.base);
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

function openOrUndefined(item: TreeItem, flags: number): number | undefined {
  try {
    return openAt(item.directory, item.base, flags);
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
