import { baseOf, joinPath, parentOf } from '../../archive/byte-paths.ts';
import { type ByteString, toByteString, toText } from '../../archive/byte-string.ts';
import { SparseCursor } from '../../archive/sparse-cursor.ts';
import type { TarEntry } from '../../archive/tar-entry.ts';
import type { TarSink } from '../../archive/tar-parser.ts';
import { TareError } from '../../base/errors.ts';
import { Errno } from '../../kernel/errno.ts';
import {
  closeFile,
  FileType,
  makeDirectory,
  makeHardLink,
  makeNode,
  makeSymlink,
  OpenFlag,
  renamePath,
  setLength,
  setMode,
  setModeOf,
  setOwner,
  setOwnerOf,
  setTimes,
  setTimesOf,
  startWriteOut,
  statusOf,
  tryOpen,
  unlinkPath,
  writeFully,
  writeFullyAt,
} from '../../kernel/files.ts';
import { setXattr } from '../../kernel/xattr.ts';
import { componentsOf, LayerPaths } from '../apply/layer-paths.ts';
import { checkFacts, checkName, PATH_LIMIT } from '../apply/member-limits.ts';
import {
  AUFS_PREFIX,
  isForbiddenXattr,
  OPAQUE_NAME,
  OPAQUE_XATTR,
  WHITEOUT_PREFIX,
} from '../apply/overlay-attributes.ts';
import type { StructureWriter } from './structure.ts';

/** From this size in bytes on, a file's write-out is started when it is complete. */
const WRITE_OUT_FROM = 1024 * 1024;
const CREATE = OpenFlag.WRONLY | OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.NOFOLLOW;
const YES = Buffer.from('y');

/**
 * A member that a later one of the same name replaced. Its contents are kept under `shadow/<index>`, for the
 * layer's tar: `file` records before number `before` at or below `path` are found there.
 */
export interface Shadow {
  readonly path: ByteString;
  readonly before: number;
  readonly index: number;
}

interface OpenMember {
  readonly entry: TarEntry;
  /** Path inside the tree; undefined when the contents go to no file. */
  readonly path: ByteString | undefined;
  readonly fd: number;
  /** Bytes that came. */
  written: number;
  /** Where the bytes of a sparse member go. */
  readonly sparse: SparseCursor | undefined;
}

/**
 * Writes a layer's tar as a directory tree in overlayfs's terms, and its structure beside it. Everything is
 * synchronous: for the Worker. Parents are resolved in memory (LayerPaths), last components are only ever
 * created, so nothing outside of `tree` is touched whatever the archive says.
 */
export class TreeWriter implements TarSink {
  readonly #tree: string;
  readonly #shadowDirectory: string;
  readonly #structure: StructureWriter;
  readonly #paths = new LayerPaths();
  /** Names that this layer deletes in the layers below. */
  readonly #whiteouts = new Set<ByteString>();
  /** Directories' metadata is set at the end: writing into them changes their times. */
  readonly #directories = new Map<ByteString, TarEntry>();
  readonly shadows: Shadow[] = [];
  #open: OpenMember | undefined;
  /** Sum of the sizes of files in bytes. */
  size = 0;
  /** The layer hides everything below it. */
  opaqueRoot = false;
  /** Extended attributes that the file system or our rights did not allow, as `name path`. */
  readonly lostXattrs = new Set<string>();

  /** `tree` must be an empty directory, `shadowDirectory` must exist. */
  constructor(tree: string, shadowDirectory: string, structure: StructureWriter) {
    this.#tree = toByteString(tree);
    this.#shadowDirectory = toByteString(shadowDirectory);
    this.#structure = structure;
  }

  raw(bytes: Uint8Array): void {
    this.#structure.literal(bytes);
  }

  entry(entry: TarEntry): void {
    checkFacts(entry);
    const components = componentsOf(entry.name, 'the name');
    const base = components.pop();
    if (base === undefined) {
      if (entry.type !== 'directory') throw corrupt(entry, 'it would replace the root directory');
      this.#directories.set('', entry);
      this.#begin(entry, undefined, -1);
      return;
    }
    const parent = this.#paths.resolveDirectory(components, (path) => this.#makeParent(path, entry));
    this.#check(parent, base, entry);
    if (base.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteout(parent, base, entry);
      this.#begin(entry, undefined, -1);
      return;
    }
    this.#create(joinPath(parent, base), entry);
  }

  #check(parent: ByteString, base: ByteString, entry: TarEntry): void {
    checkName(parent, base, entry);
    if (this.#tree.length + parent.length + base.length + 2 > PATH_LIMIT) {
      throw corrupt(entry, `its path is longer than ${PATH_LIMIT} bytes below ${toText(this.#tree)}`);
    }
  }

  #begin(entry: TarEntry, path: ByteString | undefined, fd: number): void {
    const tooMuch = (): Error => corrupt(entry, 'it has more data than its map');
    const sparse = entry.sparse && new SparseCursor(entry.sparse, tooMuch);
    this.#open = { entry, path, fd, written: 0, sparse };
  }

  #absolute(path: ByteString): string {
    return path === '' ? this.#tree : `${this.#tree}/${path}`;
  }

  #makeParent(path: ByteString, entry: TarEntry): void {
    this.#check(parentOf(path), baseOf(path), entry);
    if (makeDirectory(this.#absolute(path), 0o755)) return;
    if (!this.#whiteouts.delete(path)) {
      throw corrupt(entry, `its parent "${toText(path)}" is no directory`);
    }
    unlinkPath(this.#absolute(path));
    makeDirectory(this.#absolute(path), 0o755);
    this.#markOpaque(path);
  }

  #markOpaque(path: ByteString): void {
    if (!setXattr(this.#absolute(path), OPAQUE_XATTR, YES)) {
      throw new TareError(
        'not-implemented',
        `cannot mark ${this.#absolute(path)} as opaque: the data root's file system has no trusted.* attributes`,
      );
    }
  }

  #whiteout(parent: ByteString, base: ByteString, entry: TarEntry): void {
    if (base === OPAQUE_NAME) {
      // overlayfs does not look at the mark on a layer's root: whoever stacks the layers has to know.
      if (parent === '') this.opaqueRoot = true;
      else this.#markOpaque(parent);
      return;
    }
    if (base.startsWith(AUFS_PREFIX)) return;
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (name === '' || name === '.' || name === '..') throw corrupt(entry, 'it is no valid whiteout');
    const path = joinPath(parent, name);
    if (makeNode(this.#absolute(path), FileType.CHARACTER, 0, 0)) this.#whiteouts.add(path);
    // A whiteout speaks of lower layers only: what this layer itself has at the name stays.
    else if (this.#paths.directories.has(path)) this.#markOpaque(path);
  }

  #create(path: ByteString, entry: TarEntry): void {
    switch (entry.type) {
      case 'file':
        this.#createFile(path, entry);
        return;
      case 'directory':
        this.#createDirectory(path, entry);
        break;
      case 'symlink':
        this.#retry(path, () => makeSymlink(entry.linkName, this.#absolute(path)));
        this.#paths.links.set(path, entry.linkName);
        this.#setAttributes(path, entry, false);
        break;
      case 'link':
        this.#createLink(path, entry);
        break;
      default: {
        const type = { character: FileType.CHARACTER, block: FileType.BLOCK, fifo: FileType.FIFO }[
          entry.type
        ];
        this.#retry(path, () =>
          makeNode(this.#absolute(path), type | (entry.mode & 0o777), entry.major, entry.minor),
        );
        this.#setAttributes(path, entry, true);
      }
    }
    this.#begin(entry, undefined, -1);
  }

  #createFile(path: ByteString, entry: TarEntry): void {
    const absolute = this.#absolute(path);
    let fd = tryOpen(absolute, CREATE, 0o600);
    if (fd === -Errno.EEXIST) {
      this.#replace(path);
      fd = tryOpen(absolute, CREATE, 0o600);
    }
    if (fd < 0) throw failed(-fd, absolute);
    this.#begin(entry, path, fd);
    this.size += entry.size;
    if (entry.sparse !== undefined) setLength(fd, entry.size, absolute);
  }

  #createDirectory(path: ByteString, entry: TarEntry): void {
    this.#directories.set(path, entry);
    if (this.#paths.directories.has(path)) return;
    const absolute = this.#absolute(path);
    if (!makeDirectory(absolute, 0o755)) {
      const hidesLower = this.#whiteouts.has(path);
      this.#replace(path);
      this.#directories.set(path, entry);
      makeDirectory(absolute, 0o755);
      if (hidesLower) this.#markOpaque(path);
    }
    this.#paths.directories.add(path);
  }

  #createLink(path: ByteString, entry: TarEntry): void {
    const components = componentsOf(entry.linkName, 'the hard link target');
    const base = components.pop();
    if (base === undefined) throw corrupt(entry, 'it is a hard link to the root directory');
    const parent = this.#paths.resolveDirectory(components, () => {
      throw missingTarget(entry);
    });
    const target = joinPath(parent, base);
    if (target === path) return;
    const status = this.#whiteouts.has(target) ? undefined : statusOf(this.#absolute(target));
    // A link that takes the place of a directory on its target's way takes the target away.
    const isLost = `${parent}/`.startsWith(`${path}/`);
    if (status === undefined || (status.mode & FileType.MASK) === FileType.DIRECTORY || isLost) {
      throw missingTarget(entry);
    }
    this.#retry(path, () => makeHardLink(this.#absolute(target), this.#absolute(path)));
    const link = this.#paths.links.get(target);
    if (link !== undefined) this.#paths.links.set(path, link);
  }

  /** Runs `make`; when the name is taken, clears it and runs it again. */
  #retry(path: ByteString, make: () => boolean): void {
    if (make()) return;
    this.#replace(path);
    if (!make()) throw new TareError('internal', `${this.#absolute(path)} is there again`);
  }

  /** Clears `path` for a later member of the same name, and keeps contents that the layer's tar needs. */
  #replace(path: ByteString): void {
    const absolute = this.#absolute(path);
    if (this.#whiteouts.delete(path)) {
      unlinkPath(absolute);
      return;
    }
    const status = statusOf(absolute);
    if (status === undefined) return;
    const type = status.mode & FileType.MASK;
    if (type === FileType.DIRECTORY || (type === FileType.FILE && status.size > 0)) {
      const index = this.shadows.length;
      renamePath(absolute, `${this.#shadowDirectory}/${index}`);
      this.shadows.push({ path, before: this.#structure.records, index });
    } else {
      unlinkPath(absolute);
    }
    this.#forget(path, type === FileType.DIRECTORY);
  }

  #forget(path: ByteString, isDirectory: boolean): void {
    this.#paths.forget(path);
    this.#directories.delete(path);
    if (!isDirectory) return;
    const prefix = `${path}/`;
    for (const known of this.#directories.keys()) {
      if (known.startsWith(prefix)) this.#directories.delete(known);
    }
    for (const known of this.#whiteouts) if (known.startsWith(prefix)) this.#whiteouts.delete(known);
  }

  data(bytes: Uint8Array): void {
    const open = this.#open;
    if (open === undefined) return;
    if (open.fd < 0) {
      this.#structure.literal(bytes);
    } else if (open.sparse !== undefined) {
      // The tar holds only the pieces: kept literally, for they cannot be told from the file's zeros.
      this.#structure.literal(bytes);
      const subject = this.#absolute(open.path ?? '');
      for (const { part, offset } of open.sparse.place(bytes)) writeFullyAt(open.fd, part, offset, subject);
    } else {
      writeFully(open.fd, bytes, this.#absolute(open.path ?? ''));
      open.written += bytes.byteLength;
    }
  }

  endEntry(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined || open.fd < 0 || open.path === undefined) return;
    const { entry, fd, path } = open;
    const absolute = this.#absolute(path);
    try {
      setOwnerOf(fd, entry.uid, entry.gid, absolute);
      setModeOf(fd, entry.mode, absolute);
      this.#setXattrs(path, entry);
      setTimesOf(fd, entry.seconds, entry.nanoseconds, absolute);
      if (open.written >= WRITE_OUT_FROM) startWriteOut(fd, 0, 0);
    } finally {
      closeFile(fd);
    }
    if (entry.sparse === undefined && open.written > 0) this.#structure.file(path, open.written);
  }

  #setAttributes(path: ByteString, entry: TarEntry, hasMode: boolean): void {
    const absolute = this.#absolute(path);
    setOwner(absolute, entry.uid, entry.gid);
    if (hasMode) setMode(absolute, entry.mode);
    this.#setXattrs(path, entry);
    setTimes(absolute, entry.seconds, entry.nanoseconds);
  }

  #setXattrs(path: ByteString, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      if (isForbiddenXattr(name)) continue;
      if (!setXattr(this.#absolute(path), name, value)) {
        this.lostXattrs.add(`${toText(name)} ${toText(path)}`);
      }
    }
  }

  /** Sets what waits for the end. */
  finish(): void {
    // Deepest first: nothing is written into a directory after its turn.
    for (const [path, entry] of [...this.#directories].toReversed()) {
      this.#setAttributes(path, entry, true);
    }
  }

  /** Closes a file that an error left open. */
  abandon(): void {
    if (this.#open !== undefined && this.#open.fd >= 0) closeFile(this.#open.fd);
    this.#open = undefined;
  }
}

function failed(errno: number, path: string): TareError {
  const parent = parentOf(path);
  return new TareError(
    errno === Errno.ENOSPC || errno === Errno.EDQUOT ? 'exhausted' : 'internal',
    errno === Errno.ENOSPC || errno === Errno.EDQUOT
      ? `no space left on device while writing ${toText(path)}: free some and try again`
      : `cannot create "${toText(baseOf(path))}" in ${toText(parent)}: errno ${errno}`,
  );
}

function missingTarget(entry: TarEntry): TareError {
  return corrupt(
    entry,
    `its hard link target "${toText(entry.linkName)}" does not exist in the layer or is a directory`,
  );
}

function corrupt(entry: TarEntry, reason: string): TareError {
  return new TareError('corrupt', `invalid layer: the member "${toText(entry.name)}": ${reason}`);
}
