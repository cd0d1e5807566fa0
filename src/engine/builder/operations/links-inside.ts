import type { ByteString } from '../../../archive/byte-string.ts';
import { TareError } from '../../../base/errors.ts';
import { AT_FDCWD, type FileStatus, FileType, readLinkAt, statusAt } from '../../../kernel/files.ts';

/** As many links as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

/** Something in a tree, with the links on the way to it followed. */
export interface Found {
  /** Relative to the root, without links, without slashes at its ends; empty for the root. */
  readonly path: ByteString;
  readonly status: FileStatus;
}

/**
 * What a path names in a tree, as if the tree were the whole file system: links never lead out of it. The tree must not
 * change meanwhile. Undefined: nothing is there.
 */
export function findInside(root: ByteString, path: ByteString): Found | undefined {
  const pending = partsOf(path);
  const at: string[] = [];
  let status = statusAt(AT_FDCWD, root);
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === '..') {
      at.pop();
      status = statusAt(AT_FDCWD, [root, ...at].join('/'));
      continue;
    }
    const full = [root, ...at, part].join('/');
    status = statusAt(AT_FDCWD, full);
    if (status === undefined) return undefined;
    const type = status.mode & FileType.MASK;
    if (type === FileType.LINK) {
      if (++links > MOST_LINKS) throw new TareError('invalid', `too many levels of symbolic links: ${path}`);
      const target = readLinkAt(AT_FDCWD, full);
      if (target.startsWith('/')) at.length = 0;
      pending.unshift(...partsOf(target));
      status = statusAt(AT_FDCWD, [root, ...at].join('/'));
      continue;
    }
    if (pending.length > 0 && type !== FileType.DIRECTORY) return undefined;
    at.push(part);
  }
  return status === undefined ? undefined : { path: at.join('/'), status };
}

/** Where a path would be made: the deepest directory that is there, without links, and the names missing below it. */
export function findDirectory(
  root: ByteString,
  path: ByteString,
): { readonly path: ByteString; readonly missing: readonly ByteString[] } {
  const parts = partsOf(path);
  for (let depth = parts.length; depth > 0; depth--) {
    const found = findInside(root, parts.slice(0, depth).join('/'));
    if (!found) continue;
    if (!isDirectory(found.status)) {
      throw new TareError('invalid', `cannot copy to non-directory: /${parts.slice(0, depth).join('/')}`);
    }
    return { path: found.path, missing: parts.slice(depth) };
  }
  return { path: '', missing: parts };
}

export function isDirectory({ mode }: FileStatus): boolean {
  return (mode & FileType.MASK) === FileType.DIRECTORY;
}

function partsOf(path: ByteString): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
