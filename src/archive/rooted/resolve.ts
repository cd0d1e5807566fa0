import { assertsDirectory, cleanPath, joinPaths, keepTrailing, pathBase } from '../../base/go-paths.ts';
import { Errno, SyscallError } from '../../kernel/errno.ts';
import { closeFile, type FileStatus, FileType, readLinkAt, statusOfFd } from '../../kernel/files.ts';
import { OpenFlag, openAtRoot } from '../../kernel/openat2.ts';
import { type ByteString, toByteString, toText } from '../byte-string.ts';
import type { OpenRoot } from './open-root.ts';
import type { PathStatus } from './rooted.ts';

/** As the kernel's bound, path_resolution(7). */
const LINKS_LIMIT = 40;

/** A client's path as one below the root: cleaned by text, with the trailing slash or dot it had. */
export function absolutePath(path: string): string {
  return keepTrailing(joinPaths('/', path), path);
}

/** Is there, and belongs to the tree. Throws a SyscallError with ENOENT otherwise. */
export function openPath(root: OpenRoot, path: string, flags: number): number {
  const fd = openAtRoot(root.fd, toByteString(path), flags | OpenFlag.PATH);
  try {
    if (!root.foreign.has(statusOfFd(fd, path).device)) return fd;
  } catch (error) {
    closeFile(fd);
    throw error;
  }
  closeFile(fd);
  throw new SyscallError('open', path, Errno.ENOENT);
}

/** lstat(2) below the root; a trailing slash or dot asks for a directory and follows a link. */
export function statPath(root: OpenRoot, path: string): PathStatus {
  const flags = assertsDirectory(path) ? OpenFlag.DIRECTORY : OpenFlag.NOFOLLOW;
  const fd = openPath(root, path, flags);
  try {
    return pathStatus(root, path, statusOfFd(fd, path));
  } finally {
    closeFile(fd);
  }
}

/** What the API tells of a path that was looked at. */
export function pathStatus(root: OpenRoot, path: string, status: FileStatus): PathStatus {
  const { size, mode, seconds, nanoseconds } = status;
  const isLink = (mode & FileType.MASK) === FileType.LINK;
  const linkTarget = isLink ? truePath(root, path) : '';
  return { name: pathBase(path), size, mode, seconds, nanoseconds, linkTarget };
}

/**
 * The path without links, as far as it exists; what is missing stays as text. For people and for comparisons: nothing
 * is opened by it, so it need not hold against changes.
 */
export function truePath(root: OpenRoot, path: string): string {
  const todo = path.split('/').filter(Boolean).reverse();
  let at: string[] = [];
  let followed = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '.' || part === '') continue;
    if (part === '..') {
      at.pop();
      continue;
    }
    const target = linkAt(root, `/${[...at, part].join('/')}`);
    if (target === undefined) {
      at.push(part);
      continue;
    }
    if (++followed > LINKS_LIMIT) throw new SyscallError('resolve', path, Errno.ELOOP);
    if (target.startsWith('/')) at = [];
    todo.push(...target.split('/').filter(Boolean).reverse());
  }
  return cleanPath(`/${at.join('/')}`);
}

/** The target of a link; undefined for anything else and for nothing. */
function linkAt(root: OpenRoot, path: string): string | undefined {
  let fd: number;
  try {
    fd = openAtRoot(root.fd, toByteString(path), OpenFlag.PATH | OpenFlag.NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    const isLink = (statusOfFd(fd, path).mode & FileType.MASK) === FileType.LINK;
    const target: ByteString | undefined = isLink ? readLinkAt(fd, '') : undefined;
    return target === undefined ? undefined : toText(target);
  } finally {
    closeFile(fd);
  }
}
