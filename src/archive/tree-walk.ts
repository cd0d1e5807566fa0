import { codeOf } from '../kernel/errno.ts';
import {
  AT_FDCWD,
  closeFile,
  type FileStatus,
  FileType,
  OpenFlag,
  openAt,
  readDirectory,
  statusAt,
  statusOfFd,
} from '../kernel/files.ts';
import { type ByteString, toByteString } from './byte-string.ts';

/** Directories deeper than this are closed while their subdirectories are walked, to spare descriptors. */
const OPEN_LEVELS = 64;
const DIRECTORY = OpenFlag.RDONLY | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW;

/** Something in a tree. `directory` and `base` are for calls relative to a descriptor. */
export interface TreeItem {
  /** Relative to the root, without a leading slash; empty for the root. */
  readonly path: ByteString;
  readonly status: FileStatus;
  /** Descriptor of the directory that holds it; valid until the walk goes on. */
  readonly directory: number;
  /** Last component; `.` for the root. */
  readonly base: ByteString;
}

/**
 * Walks a tree in byte order of the names, a directory before what it holds, without ever following a link, even
 * while somebody changes the tree: each step is relative to a descriptor. What vanishes meanwhile is left out.
 * `descend` says whether to go into a directory. The walk is synchronous; the caller takes breaths.
 */
export function* walkTree(
  root: string,
  descend: (item: TreeItem) => boolean = () => true,
): Generator<TreeItem> {
  const fd = openAt(AT_FDCWD, toByteString(root), OpenFlag.RDONLY | OpenFlag.DIRECTORY);
  try {
    const item: TreeItem = { path: '', status: statusOfFd(fd, root), directory: fd, base: '.' };
    yield item;
    if (!descend(item)) return;
    const level = new Level(fd, undefined, '', 0);
    try {
      yield* walkLevel(level, descend);
    } finally {
      level.release();
    }
  } finally {
    closeFile(fd);
  }
}

/** An open directory on the way down, which can be closed and opened again. */
class Level {
  readonly #parent: Level | undefined;
  readonly #base: ByteString;
  readonly path: ByteString;
  readonly depth: number;
  #fd: number;

  constructor(fd: number, parent: Level | undefined, base: ByteString, depth: number) {
    this.#fd = fd;
    this.#parent = parent;
    this.#base = base;
    this.depth = depth;
    this.path = parent === undefined || parent.path === '' ? base : `${parent.path}/${base}`;
  }

  /** Throws a SyscallError when the directory has vanished. */
  fd(): number {
    if (this.#fd < 0 && this.#parent !== undefined) {
      const parentWasOpen = this.#parent.isOpen;
      this.#fd = openAt(this.#parent.fd(), this.#base, DIRECTORY);
      if (!parentWasOpen) this.#parent.release();
    }
    return this.#fd;
  }

  get isOpen(): boolean {
    return this.#fd >= 0;
  }

  /** Closes it; the root stays open, it belongs to the walk. */
  release(): void {
    if (this.#parent === undefined || this.#fd < 0) return;
    closeFile(this.#fd);
    this.#fd = -1;
  }
}

function* walkLevel(level: Level, descend: (item: TreeItem) => boolean): Generator<TreeItem> {
  const names = readDirectory(level.fd(), level.path).sort();
  for (const base of names) {
    const directory = reopened(level);
    const status = directory < 0 ? undefined : statusAt(directory, base);
    if (status === undefined) continue;
    const path = level.path === '' ? base : `${level.path}/${base}`;
    const item: TreeItem = { path, status, directory, base };
    yield item;
    if ((status.mode & FileType.MASK) !== FileType.DIRECTORY || !descend(item)) continue;
    const fd = reopened(level) < 0 ? -1 : openChild(level.fd(), base);
    if (fd < 0) continue;
    if (level.depth >= OPEN_LEVELS) level.release();
    const child = new Level(fd, level, base, level.depth + 1);
    try {
      yield* walkLevel(child, descend);
    } finally {
      child.release();
    }
  }
}

function reopened(level: Level): number {
  try {
    return level.fd();
  } catch (error) {
    if (vanished(error)) return -1;
    throw error;
  }
}

function openChild(directory: number, base: ByteString): number {
  try {
    return openAt(directory, base, DIRECTORY);
  } catch (error) {
    if (vanished(error)) return -1;
    throw error;
  }
}

/** The name is gone, or is something else by now. */
function vanished(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '');
}
