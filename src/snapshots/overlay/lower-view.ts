import { baseOf, parentOf } from '../../archive/byte-paths.ts';
import type { ByteString } from '../../archive/byte-string.ts';
import {
  AT_FDCWD,
  closeFile,
  type FileStatus,
  FileType,
  OpenFlag,
  openAt,
  readDirectory,
  statusOf,
} from '../../kernel/files.ts';
import { getXattr } from '../../kernel/xattr.ts';
import { isWhiteout, OPAQUE_XATTR } from '../apply/overlay-attributes.ts';

/** What lower layers show at a path. */
export interface LowerItem {
  /** Undefined: nothing is there. */
  readonly status: FileStatus | undefined;
  /** The directories that overlayfs would merge there, topmost first. */
  readonly directories: readonly string[];
}

const NOTHING: LowerItem = { status: undefined, directories: [] };

/** The merged view of lower layers, looked up as overlayfs does, without a mount. */
export class LowerView {
  readonly #cache = new Map<ByteString, LowerItem>();
  readonly #lowers: readonly string[];

  /** `lowers`: trees, topmost first. */
  constructor(lowers: readonly string[]) {
    this.#lowers = lowers;
  }

  lookup(path: ByteString): LowerItem {
    if (path === '') return { status: undefined, directories: this.#lowers };
    const known = this.#cache.get(path);
    if (known !== undefined) return known;
    const found = this.#find(this.lookup(parentOf(path)).directories, baseOf(path));
    // Only directories are asked for again, by what they hold.
    if (found.directories.length > 0) this.#cache.set(path, found);
    return found;
  }

  /** From now on nothing is seen at or below `path`: an upper directory is opaque there. */
  hide(path: ByteString): void {
    this.#cache.set(path, NOTHING);
  }

  #find(parents: readonly string[], base: ByteString): LowerItem {
    let first: FileStatus | undefined;
    const directories: string[] = [];
    for (const parent of parents) {
      const path = `${parent}/${base}`;
      const status = statusOf(path);
      if (status === undefined) continue;
      if (isWhiteout(status)) break;
      const isDirectory = (status.mode & FileType.MASK) === FileType.DIRECTORY;
      if (!isDirectory) {
        first ??= status;
        break;
      }
      first ??= status;
      directories.push(path);
      if (isOpaque(path)) break;
    }
    return first === undefined ? NOTHING : { status: first, directories };
  }

  /** Names that the lower layers show in a directory. */
  names(directories: readonly string[]): ByteString[] {
    const visible = new Set<ByteString>();
    const hidden = new Set<ByteString>();
    for (const directory of directories) {
      const fd = openAt(AT_FDCWD, directory, OpenFlag.RDONLY | OpenFlag.DIRECTORY);
      try {
        for (const name of readDirectory(fd, directory)) {
          if (visible.has(name) || hidden.has(name)) continue;
          const status = statusOf(`${directory}/${name}`);
          if (status === undefined || isWhiteout(status)) hidden.add(name);
          else visible.add(name);
        }
      } finally {
        closeFile(fd);
      }
    }
    return [...visible].sort();
  }
}

/** True for a directory that hides what lies below it in lower layers. */
export function isOpaque(path: string): boolean {
  const value = getXattr(path, OPAQUE_XATTR);
  return value?.byteLength === 1 && value[0] === 0x79;
}
