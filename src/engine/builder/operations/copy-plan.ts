import { posix } from 'node:path';
import { baseOf } from '../../../archive/byte-paths.ts';
import { type ByteString, toByteString, toText } from '../../../archive/byte-string.ts';
import { walkTree } from '../../../archive/tree-walk.ts';
import { TareError } from '../../../base/errors.ts';
import { PathPatterns } from '../../../base/path-patterns.ts';
import { Breath } from '../../../base/streams.ts';
import { type FileStatus, FileType, readLinkAt } from '../../../kernel/files.ts';
import { type CopyRequest, type PathTest, splitPattern } from '../copy-request.ts';
import { findInside, isDirectory } from './links-inside.ts';

/** One thing that a copy brings. */
export interface CopyItem {
  /** Relative to the copy's destination. Empty: the destination is to be this file itself. */
  readonly name: ByteString;
  /** Relative to the source's root. */
  readonly path: ByteString;
  readonly status: FileStatus;
  /** Of a symbolic link. */
  readonly target: ByteString;
}

/** All that a copy brings from a tree, a directory before what it holds. */
export interface CopyPlan {
  readonly items: readonly CopyItem[];
  /** The destination is a directory whatever lies there; else it depends on that. */
  readonly intoDirectory: boolean;
  /** There are several sources: the destination has to be a directory. */
  readonly several: boolean;
}

/**
 * Looks at what the sources of a copy name below `root`. Of a source directory its contents are copied; links at a
 * source's end are followed, those below are copied. Throws `invalid` for sources that are not there.
 */
export async function planCopy(request: CopyRequest, root: ByteString): Promise<CopyPlan> {
  const { destination, sources, inline, exclude, parents } = request;
  const patterns = exclude.length > 0 ? PathPatterns.parse(exclude) : undefined;
  const collector = new Collector(root, patterns);
  let directories = 0;
  let count = inline.length;
  let many = false;
  for (const given of sources) {
    // What stands before a pivot is not part of the names with --parents.
    const pivot = parents ? given.indexOf('/./') : -1;
    const cut = pivot < 0 ? 0 : toByteString(posix.normalize(`/${given.slice(0, pivot)}`)).length;
    const { base, pattern } = splitPattern(given);
    const found = findInside(root, toByteString(base));
    if (!found) throw notFound(given);
    many ||= pattern !== undefined;
    // A link's own name is what the copy of its target is called.
    const tops = pattern ? await matches(root, found.path, pattern) : [toByteString(base.slice(1))];
    for (const top of tops) {
      const real = pattern ? findInside(root, top) : found;
      // A link that matches and leads nowhere.
      if (!real) throw notFound(toText(top));
      count++;
      if (isDirectory(real.status)) directories++;
      await collector.add(top, real.path, real.status, parents ? cut : undefined);
    }
  }
  return {
    items: collector.items,
    intoDirectory: destination.endsWith('/') || many || parents || directories > 0 || count > 1,
    several: count > 1,
  };
}

function notFound(given: string): TareError {
  const path = JSON.stringify(`/${given.replace(/^\/+/, '')}`);
  return new TareError(
    'invalid',
    `failed to compute cache key: failed to calculate checksum of ref: ${path}: not found`,
  );
}

/** Paths (relative to the root) below `base` that a pattern names; what is in a match is not looked at. */
async function matches(root: ByteString, base: ByteString, pattern: PathTest): Promise<ByteString[]> {
  const found: ByteString[] = [];
  const breath = new Breath();
  const tree = walkTree(toText(base === '' ? root : `${root}/${base}`), (item) => {
    return item.path === '' || !pattern(toText(item.path));
  });
  for (const item of tree) {
    if (breath.due) await breath.take();
    if (item.path === '' || !pattern(toText(item.path))) continue;
    found.push(base === '' ? item.path : `${base}/${item.path}`);
  }
  return found;
}

class Collector {
  readonly items: CopyItem[] = [];
  readonly #root: ByteString;
  readonly #exclude: PathPatterns | undefined;
  /** Directories above the sources that --parents has brought. */
  readonly #above = new Set<ByteString>();
  readonly #breath = new Breath();

  constructor(root: ByteString, exclude: PathPatterns | undefined) {
    this.#root = root;
    this.#exclude = exclude;
  }

  /** `named`: as the source calls it; `path`: where it truly is. `cut`: with --parents, how much of the name goes. */
  async add(named: ByteString, path: ByteString, status: FileStatus, cut: number | undefined): Promise<void> {
    const kept =
      cut === undefined
        ? ''
        : named
            .replace(/^\/+/, '')
            .slice(Math.max(0, cut - 1))
            .replace(/^\/+/, '');
    if (cut !== undefined) this.#addAbove(named, kept);
    if (!isDirectory(status)) {
      const name = cut === undefined ? baseOf(named) : kept;
      if (!this.#isExcluded(baseOf(named))) this.items.push({ name, path, status, target: '' });
      return;
    }
    const prefix = kept === '' ? '' : `${kept}/`;
    if (kept !== '') this.items.push({ name: kept, path, status, target: '' });
    const at = path === '' ? this.#root : `${this.#root}/${path}`;
    for (const item of walkTree(toText(at))) {
      if (this.#breath.due) await this.#breath.take();
      if (item.path === '' || this.#isExcluded(item.path)) continue;
      const type = item.status.mode & FileType.MASK;
      if (type === FileType.SOCKET) continue;
      this.items.push({
        name: prefix + item.path,
        path: path === '' ? item.path : `${path}/${item.path}`,
        status: item.status,
        target: type === FileType.LINK ? readLinkAt(item.directory, item.base) : '',
      });
    }
  }

  /** The directories above a source that its name keeps. */
  #addAbove(named: ByteString, kept: ByteString): void {
    const whole = named.replace(/^\/+/, '');
    const parts = kept.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const name = parts.slice(0, depth).join('/');
      if (this.#above.has(name)) continue;
      this.#above.add(name);
      const found = findInside(this.#root, whole.slice(0, whole.length - kept.length) + name);
      if (found) this.items.push({ name, path: found.path, status: found.status, target: '' });
    }
  }

  #isExcluded(path: ByteString): boolean {
    return this.#exclude?.match(toText(path)).matched === true;
  }
}
