import { dlopen, FFIType, type Pointer, ptr, read } from 'bun:ffi';
import { SyscallError } from './errno.ts';

const { i32, u32, i64, u64, ptr: pointer } = FFIType;

/**
 * The C library's functions we call. The stubs block the calling thread, so only short calls go here on the
 * main thread (see DESIGN). `syscall` reaches what the C library has no wrapper for.
 */
const library = dlopen('libc.so.6', {
  __errno_location: { args: [], returns: pointer },
  mount: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
  umount2: { args: [pointer, i32], returns: i32 },
  unshare: { args: [i32], returns: i32 },
  setns: { args: [i32, i32], returns: i32 },
  open: { args: [pointer, i32, u32], returns: i32 },
  close: { args: [i32], returns: i32 },
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  connect: { args: [i32, pointer, u32], returns: i32 },
  shutdown: { args: [i32, i32], returns: i32 },
  send: { args: [i32, pointer, u64, i32], returns: i64 },
  recv: { args: [i32, pointer, u64, i32], returns: i64 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  getsockname: { args: [i32, pointer, pointer], returns: i32 },
  read: { args: [i32, pointer, u64], returns: i64 },
  write: { args: [i32, pointer, u64], returns: i64 },
  pipe2: { args: [pointer, i32], returns: i32 },
  fcntl: { args: [i32, i32, i64], returns: i32 },
  ioctl: { args: [i32, u64, pointer], returns: i32 },
  flock: { args: [i32, i32], returns: i32 },
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
  memfd_create: { args: [pointer, u32], returns: i32 },
  mknod: { args: [pointer, u32, u64], returns: i32 },
  lgetxattr: { args: [pointer, pointer, pointer, u64], returns: i64 },
  lsetxattr: { args: [pointer, pointer, pointer, u64, i32], returns: i32 },
  fsetxattr: { args: [i32, pointer, pointer, u64, i32], returns: i32 },
  llistxattr: { args: [pointer, pointer, u64], returns: i64 },
  epoll_create1: { args: [i32], returns: i32 },
  epoll_ctl: { args: [i32, i32, i32, pointer], returns: i32 },
  epoll_wait: { args: [i32, pointer, i32, i32], returns: i32 },
  inotify_init1: { args: [i32], returns: i32 },
  inotify_add_watch: { args: [i32, pointer, u32], returns: i32 },
  inotify_rm_watch: { args: [i32, i32], returns: i32 },
  waitid: { args: [i32, u32, pointer, i32], returns: i32 },
  syscall: { args: [i64, i64, i64, i64, i64, i64, i64], returns: i64 },
});

/** The raw symbols, for the other files of this folder only. */
export const libc = library.symbols;

/** errno of the calling thread; only meaningful right after a call that failed. */
export function errno(): number {
  return read.i32(libc.__errno_location() as Pointer, 0);
}

/**
 * A zero-terminated string for a call. Pass it as it is, never `ptr(cstr(…))`: a pointer does not keep its bytes, and
 * a collection while the next argument is made would let the kernel read freed memory (seen as ENOENT of a mount).
 * Throws on an inner NUL, which the kernel would cut the string at.
 */
export function cstr(text: string): Buffer {
  if (text.includes('\0')) throw new SyscallError('path', JSON.stringify(text), 22);
  return Buffer.from(`${text}\0`);
}

/** Throws a SyscallError when `result` is negative, else returns it as a number. */
export function check(result: number | bigint, call: string, subject = ''): number {
  if (result < 0) throw new SyscallError(call, subject, errno());
  return Number(result);
}

/** Numbers of system calls without a wrapper in Debian 12's C library, or the same on both architectures. */
const NUMBERS = {
  pidfd_send_signal: 424,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  openat2: 437,
  mount_setattr: 442,
  quotactl_fd: 443,
} as const;

type SyscallArgument = number | bigint | NodeJS.TypedArray | null;

/** The arguments of the call under way: a pointer is only a number and keeps nothing alive. */
const underWay: { held: readonly SyscallArgument[] } = { held: [] };

/** Calls a system call by name. Byte arrays go as pointers; throws a SyscallError. */
export function syscall(name: keyof typeof NUMBERS, subject: string, ...args: SyscallArgument[]): number {
  underWay.held = args;
  const words: bigint[] = args.map((argument) => {
    if (argument === null) return 0n;
    return typeof argument === 'number' || typeof argument === 'bigint'
      ? BigInt(argument)
      : BigInt(ptr(argument));
  });
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = words;
  const result = libc.syscall(BigInt(NUMBERS[name]), a, b, c, d, e, f);
  const code = result < 0 ? errno() : 0;
  underWay.held = [];
  if (code !== 0) throw new SyscallError(name, subject, code);
  return Number(result);
}
