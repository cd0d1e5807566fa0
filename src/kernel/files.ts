import { type Pointer, ptr } from 'bun:ffi';
import { SyscallError } from './errno.ts';
import { libc as base, cstr, errno } from './ffi.ts';
import { fileCalls as libc } from './file-calls.ts';

/*
 * File system calls on names that are byte strings (one character a byte), which node:fs cannot express for
 * symbolic links' targets, devices, times in nanoseconds or extended attributes. They block their thread: use
 * them in Workers, or in short slices. Paths go through buffers of this module, so a call allocates nothing.
 */

const PATH_MAX = 4096;
const first = Buffer.alloc(PATH_MAX);
const second = Buffer.alloc(PATH_MAX);
const firstPointer = ptr(first);
const secondPointer = ptr(second);

function load(buffer: Buffer, path: string): void {
  if (path.length >= PATH_MAX) throw new SyscallError('path', printable(path.slice(0, 200)), 36);
  if (path.includes('\0')) throw new SyscallError('path', JSON.stringify(printable(path)), 22);
  const end = buffer.write(path, 0, 'latin1');
  buffer[end] = 0;
}

function printable(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

function fail(result: number | bigint, call: string, path: string): number {
  if (result < 0) throw new SyscallError(call, printable(path), errno());
  return Number(result);
}

export const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;

/** Flags of open(2) that are the same on all our architectures; the others come from node's constants. */
export const OpenFlag = {
  RDONLY: 0,
  WRONLY: 1,
  CREAT: 0o100,
  EXCL: 0o200,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
  // arm64 has its own numbers for these two (arch/arm64/include/uapi/asm/fcntl.h).
  DIRECTORY: process.arch === 'arm64' ? 0o40000 : 0o200000,
  NOFOLLOW: process.arch === 'arm64' ? 0o100000 : 0o400000,
} as const;

/** File types in `mode`, inode(7). */
export const FileType = {
  MASK: 0o170000,
  SOCKET: 0o140000,
  LINK: 0o120000,
  FILE: 0o100000,
  BLOCK: 0o060000,
  DIRECTORY: 0o040000,
  CHARACTER: 0o020000,
  FIFO: 0o010000,
} as const;

/** openat(2), close-on-exec; returns the descriptor. */
export function openAt(directory: number, path: string, flags: number, mode = 0): number {
  load(first, path);
  return fail(libc.openat(directory, firstPointer, flags | OpenFlag.CLOEXEC, mode), 'open', path);
}

/** Like openAt, but a negative errno instead of an exception, for the hot path that expects EEXIST. */
export function tryOpen(path: string, flags: number, mode: number): number {
  load(first, path);
  const fd = libc.openat(AT_FDCWD, firstPointer, flags | OpenFlag.CLOEXEC, mode);
  return fd < 0 ? -errno() : fd;
}

/** Writes all of `bytes`. `subject` names the file in errors. */
export function writeFully(fd: number, bytes: Uint8Array, subject: string): void {
  let offset = 0;
  while (offset < bytes.byteLength) {
    const rest = offset === 0 ? bytes : bytes.subarray(offset);
    offset += fail(libc.write(fd, rest, rest.byteLength), 'write', subject);
  }
}

/** pwrite(2), all of it. */
export function writeFullyAt(fd: number, bytes: Uint8Array, position: number, subject: string): void {
  let offset = 0;
  while (offset < bytes.byteLength) {
    const rest = bytes.subarray(offset);
    const result = libc.pwrite(fd, rest, rest.byteLength, position + offset);
    offset += fail(result, 'write', subject);
  }
}

/** read(2) into `buffer`; 0 at the end. */
export function readInto(fd: number, buffer: Uint8Array, subject: string): number {
  return fail(libc.read(fd, buffer, buffer.byteLength), 'read', subject);
}

/** ftruncate(2): sets the length in bytes. */
export function setLength(fd: number, length: number, subject: string): void {
  fail(libc.ftruncate(fd, length), 'truncate', subject);
}

/** A file in memory that is gone with its descriptor: for what must not depend on room on a disk. */
export function memoryFile(name: string): number {
  const MFD_CLOEXEC = 1;
  return fail(base.memfd_create(cstr(name), MFD_CLOEXEC), 'memfd_create', name);
}

export function closeFile(fd: number): void {
  base.close(fd);
}

/** mkdir(2); returns false when something of that name is there. */
export function makeDirectory(path: string, mode: number): boolean {
  load(first, path);
  return created(libc.mkdir(firstPointer, mode), 'mkdir', path);
}

/** symlink(2); false when something of that name is there. */
export function makeSymlink(target: string, path: string): boolean {
  load(first, target);
  load(second, path);
  return created(libc.symlink(firstPointer, secondPointer), 'symlink', path);
}

/** link(2), which does not follow a symbolic link; false when something of that name is there. */
export function makeHardLink(existing: string, path: string): boolean {
  load(first, existing);
  load(second, path);
  return created(libc.linkat(AT_FDCWD, firstPointer, AT_FDCWD, secondPointer, 0), 'link', path);
}

/** mknod(2) with type and permissions in `mode`; false when something of that name is there. */
export function makeNode(path: string, mode: number, major: number, minor: number): boolean {
  load(first, path);
  return created(libc.mknod(firstPointer, mode, deviceNumber(major, minor)), 'mknod', path);
}

function created(result: number, call: string, path: string): boolean {
  if (result === 0) return true;
  const code = errno();
  if (code === 17) return false;
  throw new SyscallError(call, printable(path), code);
}

/** glibc's makedev (sys/sysmacros.h). */
export function deviceNumber(major: number, minor: number): bigint {
  const a = BigInt(major >>> 0);
  const b = BigInt(minor >>> 0);
  return (b & 0xffn) | ((a & 0xfffn) << 8n) | ((b & ~0xffn) << 12n) | ((a & ~0xfffn) << 32n);
}

export function renamePath(from: string, to: string): void {
  load(first, from);
  load(second, to);
  fail(libc.rename(firstPointer, secondPointer), 'rename', from);
}

export function unlinkPath(path: string): void {
  load(first, path);
  fail(libc.unlink(firstPointer), 'unlink', path);
}

const AT_REMOVEDIR = 0x200;

/** Removes a name, of a directory (`isDirectory`, which must be empty) or of anything else; false when it is gone. */
export function removeAt(directory: number, name: string, isDirectory: boolean): boolean {
  load(first, name);
  if (libc.unlinkat(directory, firstPointer, isDirectory ? AT_REMOVEDIR : 0) === 0) return true;
  const code = errno();
  if (code === 2) return false;
  throw new SyscallError('remove', printable(name), code);
}

/** lchown(2). */
export function setOwner(path: string, uid: number, gid: number): void {
  load(first, path);
  fail(libc.lchown(firstPointer, uid >>> 0, gid >>> 0), 'chown', path);
}

/** fchown(2). */
export function setOwnerOf(fd: number, uid: number, gid: number, subject: string): void {
  fail(libc.fchown(fd, uid >>> 0, gid >>> 0), 'chown', subject);
}

/** chmod(2): follows a symbolic link, so never call it on one. */
export function setMode(path: string, mode: number): void {
  load(first, path);
  fail(libc.chmod(firstPointer, mode & 0o7777), 'chmod', path);
}

/** fchmod(2). */
export function setModeOf(fd: number, mode: number, subject: string): void {
  fail(libc.fchmod(fd, mode & 0o7777), 'chmod', subject);
}

// A small typed array without a buffer of its own may move, and a kept pointer would lead to the old place.
const times = new BigInt64Array(new ArrayBuffer(4 * BigInt64Array.BYTES_PER_ELEMENT));
const timesPointer = ptr(times);

function loadTimes(seconds: number, nanoseconds: number): void {
  times[0] = times[2] = BigInt(seconds);
  times[1] = times[3] = BigInt(nanoseconds);
}

/** Sets access and modification time of the name itself (not of what a symbolic link points at). */
export function setTimes(path: string, seconds: number, nanoseconds: number): void {
  load(first, path);
  loadTimes(seconds, nanoseconds);
  fail(libc.utimensat(AT_FDCWD, firstPointer, timesPointer, AT_SYMLINK_NOFOLLOW), 'utimensat', path);
}

/** Sets access and modification time of an open file. */
export function setTimesOf(fd: number, seconds: number, nanoseconds: number, subject: string): void {
  loadTimes(seconds, nanoseconds);
  fail(libc.futimens(fd, timesPointer), 'futimens', subject);
}

/** Flushes the whole file system that `fd` lies on; blocks, for Workers. */
export function syncFileSystem(fd: number, subject: string): void {
  fail(libc.syncfs(fd), 'syncfs', subject);
}

/** Starts writing dirty pages of a file without waiting (sync_file_range(2), SYNC_FILE_RANGE_WRITE). */
export function startWriteOut(fd: number, offset: number, length: number): void {
  libc.sync_file_range(fd, offset, length, 2);
}

/** What statx(2) tells of a file. Times are seconds and nanoseconds since the epoch. */
export interface FileStatus {
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly inode: bigint;
  /** Bytes. */
  readonly size: number;
  /** 512-byte blocks that are allocated. */
  readonly blocks: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Of the last change of the inode, which nobody can set. */
  readonly changedSeconds: number;
  readonly changedNanoseconds: number;
  readonly major: number;
  readonly minor: number;
  /** Device the file lies on, `major:minor`. */
  readonly device: string;
}

// struct statx is 256 bytes with the same layout on every architecture (include/uapi/linux/stat.h).
const statx = new DataView(new ArrayBuffer(256));
const statxPointer: Pointer = ptr(statx);
const STATX_BASIC_STATS = 0x7ff;

function readStatx(): FileStatus {
  return {
    links: statx.getUint32(16, true),
    uid: statx.getUint32(20, true),
    gid: statx.getUint32(24, true),
    mode: statx.getUint16(28, true),
    inode: statx.getBigUint64(32, true),
    size: Number(statx.getBigUint64(40, true)),
    blocks: Number(statx.getBigUint64(48, true)),
    seconds: Number(statx.getBigInt64(112, true)),
    nanoseconds: statx.getUint32(120, true),
    changedSeconds: Number(statx.getBigInt64(96, true)),
    changedNanoseconds: statx.getUint32(104, true),
    major: statx.getUint32(128, true),
    minor: statx.getUint32(132, true),
    device: `${statx.getUint32(136, true)}:${statx.getUint32(140, true)}`,
  };
}

/** Status of `path` below `directory`, of the link itself if it is one; undefined when it is not there. */
export function statusAt(directory: number, path: string): FileStatus | undefined {
  load(first, path);
  const result = libc.statx(directory, firstPointer, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, statxPointer);
  if (result === 0) return readStatx();
  const code = errno();
  if (code === 2 || code === 20) return undefined;
  throw new SyscallError('stat', printable(path), code);
}

/** Status of an absolute path, of the link itself if it is one; undefined when it is not there. */
export function statusOf(path: string): FileStatus | undefined {
  return statusAt(AT_FDCWD, path);
}

/** Status of an open file. */
export function statusOfFd(fd: number, subject: string): FileStatus {
  first[0] = 0;
  fail(libc.statx(fd, firstPointer, AT_EMPTY_PATH, STATX_BASIC_STATS, statxPointer), 'stat', subject);
  return readStatx();
}

/** Target of a symbolic link, as a byte string. */
export function readLinkAt(directory: number, path: string): string {
  load(first, path);
  const length = fail(libc.readlinkat(directory, firstPointer, secondPointer, PATH_MAX), 'readlink', path);
  return second.toString('latin1', 0, length);
}

const entries = Buffer.alloc(32 * 1024);
const entriesPointer = ptr(entries);

/** Names in an open directory, without `.` and `..`, as byte strings in the directory's order. */
export function readDirectory(fd: number, subject: string): string[] {
  const names: string[] = [];
  for (;;) {
    const length = fail(libc.getdents64(fd, entriesPointer, entries.byteLength), 'read directory', subject);
    if (length === 0) return names;
    // struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, then the name.
    for (let at = 0; at < length; at += entries.readUInt16LE(at + 16)) {
      const end = entries.indexOf(0, at + 19);
      const name = entries.toString('latin1', at + 19, end);
      if (name !== '.' && name !== '..') names.push(name);
    }
  }
}
