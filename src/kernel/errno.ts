import { type ErrorKind, TareError } from '../base/errors.ts';

/** errno numbers of Linux on x86-64 and arm64 (asm-generic/errno.h) that we tell apart. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  ENOTBLK: 15,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EXFULL: 54,
  ENODATA: 61,
  EAFNOSUPPORT: 97,
  EOPNOTSUPP: 95,
  EPROTONOSUPPORT: 93,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENOTCONN: 107,
  ECONNREFUSED: 111,
  EINPROGRESS: 115,
  EDQUOT: 122,
} as const;
export type ErrnoName = keyof typeof Errno;

const NAMES = new Map<number, ErrnoName>();
for (const [name, number] of Object.entries(Errno)) NAMES.set(number, name as ErrnoName);

const KINDS: Partial<Record<ErrnoName, ErrorKind>> = {
  EPERM: 'forbidden',
  EACCES: 'forbidden',
  ENOENT: 'not-found',
  ESRCH: 'not-found',
  EEXIST: 'conflict',
  EBUSY: 'conflict',
  EADDRINUSE: 'conflict',
  EINVAL: 'invalid',
  ENOTDIR: 'invalid',
  EISDIR: 'invalid',
  ENAMETOOLONG: 'invalid',
  ELOOP: 'invalid',
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  ENOMEM: 'exhausted',
  ENOSYS: 'not-implemented',
  EOPNOTSUPP: 'not-implemented',
  ENODEV: 'not-implemented',
};

/** A failed system call: which one, on what, and its errno. */
export class SyscallError extends TareError {
  readonly errno: number;
  /** `ENOENT`, or `errno 123` for one we have no name for. */
  readonly code: string;

  constructor(call: string, subject: string, errno: number) {
    const name = NAMES.get(errno);
    const code = name ?? `errno ${errno}`;
    super((name && KINDS[name]) || 'internal', subject ? `${call} ${subject}: ${code}` : `${call}: ${code}`);
    this.name = 'SyscallError';
    this.errno = errno;
    this.code = code;
  }
}

/** The `code` of a node or system call error (`ENOENT`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (error !== null && typeof error === 'object' && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return undefined;
}

/** Translates an error of `node:fs` and friends by its code; a TareError stays as it is. */
export function fromNodeError(error: unknown, prefix: string): TareError {
  if (error instanceof TareError) return error;
  const code = codeOf(error);
  const kind = (code !== undefined && KINDS[code as ErrnoName]) || 'internal';
  const hint =
    code === 'ENOSPC' || code === 'EDQUOT' ? ' (no space left on device; free some and try again)' : '';
  return new TareError(
    kind,
    `${prefix}: ${error instanceof Error ? error.message : String(error)}${hint}`,
    error,
  );
}
