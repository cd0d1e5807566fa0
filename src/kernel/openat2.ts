import { check, cstr, syscall } from './ffi.ts';
import { closeFd, openFd } from './namespaces.ts';

/** How a path below a directory is resolved, openat2(2). */
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;
const RESOLVE_NO_MAGICLINKS = 0x02;

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
  const how = openHow(flags, resolve);
  return syscall('openat2', path, directory, cstr(path), how, how.byteLength);
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
