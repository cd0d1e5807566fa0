import { Errno, SyscallError } from './errno.ts';
import { cstr, errno, libc } from './ffi.ts';

/*
 * Extended attributes of a name itself, never of what a symbolic link points at (xattr(7)). Paths and names are
 * byte strings; values are bytes. The calls block their thread, shortly.
 */

const value = Buffer.alloc(64 * 1024);

function pathPointer(path: string): Buffer {
  if (path.includes('\0')) return cstr(path);
  return Buffer.from(`${path}\0`, 'latin1');
}

/** Value of an attribute; undefined when the file has none of that name or the file system has no attributes. */
export function getXattr(path: string, name: string): Uint8Array | undefined {
  const size = libc.lgetxattr(pathPointer(path), pathPointer(name), value, BigInt(value.byteLength));
  if (size >= 0) return new Uint8Array(value.subarray(0, Number(size)));
  const code = errno();
  if (code === Errno.ENODATA || code === Errno.EOPNOTSUPP) return undefined;
  throw new SyscallError(`getxattr ${name}`, path, code);
}

/** Names of all attributes, sorted; empty when the file system has none. */
export function listXattrs(path: string): string[] {
  const size = libc.llistxattr(pathPointer(path), value, BigInt(value.byteLength));
  if (size < 0) {
    const code = errno();
    if (code === Errno.EOPNOTSUPP) return [];
    throw new SyscallError('listxattr', path, code);
  }
  if (size === 0n || Number(size) === 0) return [];
  return value
    .toString('latin1', 0, Number(size) - 1)
    .split('\0')
    .sort();
}

/** Sets an attribute; EOPNOTSUPP and EPERM are reported by returning false, for the caller to judge. */
export function setXattr(path: string, name: string, bytes: Uint8Array): boolean {
  // A pointer to an empty array is not valid for ptr(); the kernel reads nothing at size 0.
  const source = bytes.byteLength === 0 ? Buffer.alloc(1) : bytes;
  const result = libc.lsetxattr(pathPointer(path), pathPointer(name), source, BigInt(bytes.byteLength), 0);
  if (result === 0) return true;
  const code = errno();
  if (code === Errno.EOPNOTSUPP || code === Errno.EPERM) return false;
  throw new SyscallError(`setxattr ${name}`, path, code);
}

/** Like `setXattr` for an open file; `subject` names it in errors. */
export function setXattrOf(fd: number, name: string, bytes: Uint8Array, subject: string): boolean {
  const source = bytes.byteLength === 0 ? Buffer.alloc(1) : bytes;
  if (libc.fsetxattr(fd, pathPointer(name), source, BigInt(bytes.byteLength), 0) === 0) return true;
  const code = errno();
  if (code === Errno.EOPNOTSUPP || code === Errno.EPERM) return false;
  throw new SyscallError(`setxattr ${name}`, subject, code);
}
