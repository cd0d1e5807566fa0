import { TareError } from '../../base/errors.ts';
import { cleanPath, joinPaths, pathDirectory } from '../../base/go-paths.ts';
import { codeOf } from '../../kernel/errno.ts';
import {
  closeFile,
  FileType,
  makeDirectory,
  makeHardLink,
  makeNode,
  makeSymlink,
  OpenFlag,
  openAt,
  removeAt,
  setLength,
  setMode,
  setModeOf,
  setOwner,
  setOwnerOf,
  setTimes,
  setTimesOf,
  statusAt,
  statusOfFd,
  writeFully,
  writeFullyAt,
} from '../../kernel/files.ts';
import { OpenFlag as PathFlag } from '../../kernel/openat2.ts';
import { setXattrOf } from '../../kernel/xattr.ts';
import { baseOf, parentOf } from '../byte-paths.ts';
import { type ByteString, toText } from '../byte-string.ts';
import { SparseCursor } from '../sparse-cursor.ts';
import type { TarEntry } from '../tar-entry.ts';
import type { TarSink } from '../tar-parser.ts';
import { isContentXattr } from '../write-tree.ts';
import type { Directories } from './directories.ts';
import { removeTree } from './remove-tree.ts';

export interface UnpackerOptions {
  /** Path of the destination, for messages and for Docker's tests of links that lead out. */
  readonly destination: string;
  readonly keepKinds: boolean;
  /** What owner a member gets; undefined: it stays with whom it was made by. */
  readonly ownerOf: (entry: TarEntry) => { readonly uid: number; readonly gid: number } | undefined;
}

interface OpenMember {
  readonly entry: TarEntry;
  readonly path: ByteString;
  readonly parent: number;
  readonly fd: number;
  /** Where the bytes of a sparse member go. */
  readonly sparse: SparseCursor | undefined;
}

const CREATE = OpenFlag.WRONLY | OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.NOFOLLOW;
const NODES = { character: FileType.CHARACTER, block: FileType.BLOCK, fifo: FileType.FIFO } as const;

/**
 * Writes a tar's members below a directory that others may be changing, by Docker's rules: what is there is replaced,
 * directories are merged. Last components are never followed; whether links on the way are is up to `directories`.
 * Synchronous. After an error, `abandon`.
 */
export class Unpacker implements TarSink {
  readonly #directories: Directories;
  readonly #options: UnpackerOptions;
  /** Modes and times that are set at the end: writing into a directory needs the one and changes the other. */
  readonly #late = new Map<ByteString, TarEntry>();
  #open: OpenMember | undefined;

  constructor(directories: Directories, options: UnpackerOptions) {
    this.#directories = directories;
    this.#options = options;
  }

  raw(): void {}

  entry(entry: TarEntry): void {
    const path = this.#inside(entry.name);
    if (path === undefined) {
      throw new TareError(
        'corrupt',
        `${quoted(cleanPath(entry.name))} is outside of ${JSON.stringify(this.#options.destination)}`,
      );
    }
    if (path === '') {
      // The destination itself keeps what it has, unless the archive is one of a root directory.
      if (entry.type === 'directory' && entry.name.startsWith('/')) this.#late.set('', entry);
      return;
    }
    const parent = this.#directories.open(parentOf(path), true);
    this.#clear(parent, path, entry);
    this.#make(parent, path, entry);
  }

  /** A member's name relative to the destination; undefined when it leads out. */
  #inside(name: ByteString): ByteString | undefined {
    const clean = cleanPath(name).replace(/^\//, '');
    if (clean === '..' || clean.startsWith('../')) return undefined;
    return clean === '.' ? '' : clean;
  }

  /** Docker's name of a member, for people. */
  #full(path: ByteString): string {
    return joinPaths(this.#options.destination, toText(path));
  }

  #clear(parent: number, path: ByteString, entry: TarEntry): void {
    const status = statusAt(parent, baseOf(path));
    if (status === undefined) return;
    const isDirectory = (status.mode & FileType.MASK) === FileType.DIRECTORY;
    const becomesDirectory = entry.type === 'directory';
    if (isDirectory && becomesDirectory) return;
    if (this.#options.keepKinds && (isDirectory || becomesDirectory)) {
      const [before, after] = isDirectory ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
      throw new TareError(
        'internal',
        `cannot overwrite ${before} ${JSON.stringify(this.#full(path))} with ${after} ${JSON.stringify(this.#options.destination)}`,
      );
    }
    removeTree(parent, baseOf(path));
    this.#directories.forget(path);
    for (const late of this.#late.keys()) {
      if (late === path || late.startsWith(`${path}/`)) this.#late.delete(late);
    }
  }

  #make(parent: number, path: ByteString, entry: TarEntry): void {
    const at = `/proc/self/fd/${parent}/${baseOf(path)}`;
    switch (entry.type) {
      case 'file': {
        const fd = openAt(parent, baseOf(path), CREATE, 0o600);
        const tooMuch = (): TareError =>
          new TareError('corrupt', `${this.#full(path)} has more data than its map`);
        const sparse = entry.sparse && new SparseCursor(entry.sparse, tooMuch);
        this.#open = { entry, path, parent, fd, sparse };
        if (entry.sparse !== undefined) setLength(fd, entry.size, at);
        return;
      }
      case 'directory':
        makeDirectory(at, 0o755);
        this.#furnishDirectory(parent, path, entry);
        return;
      case 'symlink':
        this.#symlink(at, path, entry);
        return;
      case 'link':
        this.#hardLink(path, entry);
        return;
      default:
        makeNode(at, NODES[entry.type] | (entry.mode & 0o777), entry.major, entry.minor);
        this.#own(at, entry);
        this.#modeOfNode(parent, baseOf(path), entry);
        setTimes(at, entry.seconds, entry.nanoseconds);
    }
  }

  #own(at: string, entry: TarEntry): void {
    const owner = this.#options.ownerOf(entry);
    if (owner !== undefined) setOwner(at, owner.uid, owner.gid);
  }

  /** chmod(2) follows links, so it gets the very thing, by a descriptor. */
  #modeOfNode(parent: number, base: ByteString, entry: TarEntry): void {
    const fd = openAt(parent, base, PathFlag.PATH | OpenFlag.NOFOLLOW);
    try {
      const isLink = (statusOfFd(fd, base).mode & FileType.MASK) === FileType.LINK;
      if (!isLink) setMode(`/proc/self/fd/${fd}`, entry.mode);
    } finally {
      closeFile(fd);
    }
  }

  #furnishDirectory(parent: number, path: ByteString, entry: TarEntry): void {
    const subject = this.#full(path);
    const fd = openAt(parent, baseOf(path), OpenFlag.RDONLY | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW);
    try {
      this.#furnish(fd, { ...entry, mode: entry.mode | 0o700 }, subject);
    } finally {
      closeFile(fd);
    }
    this.#late.set(path, entry);
  }

  /** Owner before mode: a change of owner takes set-id bits away, and capabilities. */
  #furnish(fd: number, entry: TarEntry, subject: string): void {
    const owner = this.#options.ownerOf(entry);
    if (owner !== undefined) setOwnerOf(fd, owner.uid, owner.gid, subject);
    for (const [name, value] of entry.xattrs) {
      if (isContentXattr(name)) setXattrOf(fd, name, value, subject);
    }
    setModeOf(fd, entry.mode, subject);
  }

  #symlink(at: string, path: ByteString, entry: TarEntry): void {
    const { destination } = this.#options;
    const full = this.#full(path);
    const target = joinPaths(pathDirectory(full), toText(entry.linkName));
    if (!target.startsWith(destination)) {
      throw new TareError('corrupt', `invalid symlink ${JSON.stringify(full)} -> ${quoted(entry.linkName)}`);
    }
    makeSymlink(entry.linkName, at);
    this.#own(at, entry);
    setTimes(at, entry.seconds, entry.nanoseconds);
  }

  #hardLink(path: ByteString, entry: TarEntry): void {
    const target = this.#inside(entry.linkName);
    const full = joinPaths(this.#options.destination, toText(entry.linkName));
    if (target === undefined || target === '') {
      throw new TareError('corrupt', `invalid hardlink ${JSON.stringify(full)} -> ${quoted(entry.linkName)}`);
    }
    try {
      // Both directories have to stay open: the first is opened anew when it was the oldest.
      const from = this.#directories.open(parentOf(target), false);
      const existing = `/proc/self/fd/${from}/${baseOf(target)}`;
      const into = this.#directories.open(parentOf(path), true);
      makeHardLink(existing, `/proc/self/fd/${into}/${baseOf(path)}`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      const missing = `link ${full} ${this.#full(path)}: no such file or directory`;
      throw new TareError('corrupt', missing, error);
    }
  }

  data(bytes: Uint8Array): void {
    const open = this.#open;
    if (open === undefined) return;
    const subject = this.#full(open.path);
    if (open.sparse === undefined) {
      writeFully(open.fd, bytes, subject);
      return;
    }
    for (const { part, offset } of open.sparse.place(bytes)) writeFullyAt(open.fd, part, offset, subject);
  }

  endEntry(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    const { entry, fd, path } = open;
    try {
      const subject = this.#full(path);
      this.#furnish(fd, entry, subject);
      setTimesOf(fd, entry.seconds, entry.nanoseconds, subject);
    } finally {
      closeFile(fd);
    }
  }

  /** Sets what waits for the end. What has gone meanwhile is left alone. */
  finish(): void {
    for (const [path, entry] of [...this.#late].toReversed()) {
      let fd: number;
      try {
        const parent = this.#directories.open(parentOf(path), false);
        const flags = OpenFlag.RDONLY | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW;
        fd = openAt(parent, path === '' ? '.' : baseOf(path), flags);
      } catch {
        continue;
      }
      try {
        const subject = this.#full(path);
        if (path === '') this.#furnish(fd, entry, subject);
        else setModeOf(fd, entry.mode, subject);
        setTimesOf(fd, entry.seconds, entry.nanoseconds, subject);
      } finally {
        closeFile(fd);
      }
    }
  }

  /** Takes a file away that an error left incomplete. */
  abandon(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    closeFile(open.fd);
    try {
      removeAt(open.parent, baseOf(open.path), false);
    } catch {
      // Somebody else's by now.
    }
  }
}

function quoted(name: ByteString): string {
  return JSON.stringify(toText(name));
}
