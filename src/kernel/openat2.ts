import { codeOf } from './errno.ts';
import { check, cstr, syscall } from './ffi.ts';
import { closeFd, openFd } from './namespaces.ts';

/** How a path below a directory is resolved, openat2(2). */
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;

/** Flags of open(2) on x86-64 and arm64. */
export const OpenFlag = {
  RDONLY: 0,
  DIRECTORY: 0o200000,
  NOFOLLOW: 0o400000,
  PATH: 0o10000000,
  CLOEXEC: 0o2000000,
} as const;

/** struct open_how: flags, mode, resolve; three 64-bit words. */
function openHow(flags: number, resolve: number): BigUint64Array {
  return new BigUint64Array([BigInt(flags | OpenFlag.CLOEXEC), 0n, BigInt(resolve)]);
}

function openat2(directory: number, path: string, flags: number, resolve: number): number {
  return openat2Bytes(directory, path, cstr(path), flags, resolve);
}

/** A rename or a mount elsewhere makes the kernel give up a resolution with `..` (EAGAIN): it is tried again. */
const ATTEMPTS = 128;

function openat2Bytes(
  directory: number,
  subject: string,
  path: Buffer,
  flags: number,
  resolve: number,
): number {
  const how = openHow(flags, resolve);
  for (let attempt = 1; ; attempt++) {
    try {
      return syscall('openat2', subject, directory, path, how, how.byteLength);
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN' || attempt === ATTEMPTS) throw error;
    }
  }
}

/** A byte string (one character a byte) for a call. Throws on an inner NUL, which the kernel would cut it at. */
function bytesOf(path: string): Buffer {
  return path.includes('\0') ? cstr(path) : Buffer.from(`${path}\0`, 'latin1');
}

/**
 * Like `openInRoot` for a root that is open and a path that is a byte string. Magic links (`/proc/PID/root`) are
 * refused with ELOOP.
 */
export function openAtRoot(root: number, path: string, flags: number): number {
  return openat2Bytes(root, printable(path), bytesOf(path), flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/**
 * Opens a byte string below an open directory without following any link on the way: ELOOP tells that there is one,
 * EXDEV that `..` leads out.
 */
export function openWithoutLinks(directory: number, path: string, flags: number): number {
  const resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return openat2Bytes(directory, printable(path), bytesOf(path), flags, resolve);
}

function printable(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

/**
 * Opens `path` as if `root` were the root directory: links and `..` never leave it, whatever runs inside changes
 * meanwhile. Returns a descriptor; the caller closes it. Throws a SyscallError.
 */
export function openInRoot(root: string, path: string, flags: number = OpenFlag.RDONLY): number {
  const directory = openFd(root, OpenFlag.PATH | OpenFlag.DIRECTORY);
  try {
    return openat2(directory, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  } finally {
    closeFd(directory);
  }
}

/**
 * Opens `path` below `root`; what leads out of it (`..`, links that are absolute or climb) fails with EXDEV instead of
 * being bent back. Returns a descriptor; the caller closes it. Throws a SyscallError.
 */
export function openBeneath(root: string, path: string, flags: number = OpenFlag.PATH): number {
  const directory = openFd(root, OpenFlag.PATH | OpenFlag.DIRECTORY);
  try {
    return openat2(directory, path, flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
  } finally {
    closeFd(directory);
  }
}

/** A path that leads to an open descriptor, also for child processes of this one. */
export function fdPath(fd: number): string {
  return `/proc/${process.pid}/fd/${check(fd, 'descriptor')}`;
}
