import { codeOf } from '../../kernel/errno.ts';
import { closeFile, makeDirectory, statusAt } from '../../kernel/files.ts';
import { OpenFlag, openWithoutLinks } from '../../kernel/openat2.ts';
import { baseOf, parentOf } from '../byte-paths.ts';
import type { ByteString } from '../byte-string.ts';

const DIRECTORY = OpenFlag.PATH | OpenFlag.DIRECTORY;
/** Descriptors that are kept. */
const KEPT = 64;

/**
 * Directories below one that is open, opened once for the many files they get. `through` opens a path that has links
 * on the way, as its caller thinks right.
 */
export class Directories {
  readonly #top: number;
  readonly #through: (path: ByteString) => number;
  readonly #open = new Map<ByteString, number>();

  constructor(top: number, through: (path: ByteString) => number) {
    this.#top = top;
    this.#through = through;
  }

  /**
   * A descriptor of the directory at `path` (empty: the top one), valid until the next call. With `make`, missing ones
   * are made. Throws a SyscallError.
   */
  open(path: ByteString, make: boolean): number {
    if (path === '') return this.#top;
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    const fd = this.#find(path, make);
    if (this.#open.size >= KEPT) this.#closeOldest();
    this.#open.set(path, fd);
    return fd;
  }

  #find(path: ByteString, make: boolean): number {
    try {
      return this.#lookup(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || !make) throw error;
    }
    const parent = this.open(parentOf(path), true);
    const isNew = makeDirectory(`/proc/self/fd/${parent}/${baseOf(path)}`, 0o755);
    // A link to nothing is in the way: what it leads to is not made.
    if (!isNew && statusAt(parent, baseOf(path)) === undefined) return this.#find(path, false);
    return this.#lookup(path);
  }

  #lookup(path: ByteString): number {
    try {
      return openWithoutLinks(this.#top, path, DIRECTORY);
    } catch (error) {
      if (!['ELOOP', 'EXDEV'].includes(codeOf(error) ?? '')) throw error;
      return this.#through(path);
    }
  }

  #closeOldest(): void {
    for (const [path, fd] of this.#open) {
      this.#open.delete(path);
      closeFile(fd);
      return;
    }
  }

  /** What is at `path` has been replaced. */
  forget(path: ByteString): void {
    for (const [known, fd] of this.#open) {
      if (known !== path && !known.startsWith(`${path}/`)) continue;
      this.#open.delete(known);
      closeFile(fd);
    }
  }

  /** Closes all but the top one, which is its owner's. */
  close(): void {
    for (const fd of this.#open.values()) closeFile(fd);
    this.#open.clear();
  }
}
