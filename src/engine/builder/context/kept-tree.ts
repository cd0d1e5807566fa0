import type { ContextEntry, FileEnd } from '../../../archive/context-entry.ts';
import { removeTree } from '../../../archive/rooted/remove-tree.ts';
import { TareError } from '../../../base/errors.ts';
import {
  closeFile,
  FileType,
  makeDirectory,
  makeNode,
  makeSymlink,
  OpenFlag,
  openAt,
  setMode,
  setModeOf,
  setOwner,
  setOwnerOf,
  setTimes,
  setTimesOf,
  writeFully,
} from '../../../kernel/files.ts';
import { OpenFlag as PathFlag } from '../../../kernel/openat2.ts';
import { setXattrOf } from '../../../kernel/xattr.ts';
import type { WantedFile } from './kept-contexts.ts';

/** What is kept of an entry: what was announced, and of a regular file its digest. */
export interface KeptEntry {
  readonly entry: ContextEntry;
  /** Hex; empty for all but files. */
  readonly digest: string;
  /** The contents may have changed within the clock's tick of the time: they are looked at again. */
  readonly unsure: boolean;
}

interface Coming {
  readonly entry: ContextEntry;
  readonly old: KeptEntry | undefined;
  fd: number;
  hash: Bun.CryptoHasher | undefined;
  size: number;
}

const CREATE = OpenFlag.WRONLY | OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.NOFOLLOW;
const DIRECTORY = OpenFlag.RDONLY | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW;
const EMPTY_DIGEST = new Bun.CryptoHasher('sha256').digest('hex');
/** Times of files have the kernel's tick (10 ms at most), or whole seconds (two on FAT). Nanoseconds. */
const TICK = 20_000_000n;
const COARSE_TICK = 2_000_000_000n;

const NODES = new Set<number>([FileType.LINK, FileType.FIFO, FileType.CHARACTER, FileType.BLOCK]);

const typeOf = (entry: ContextEntry): number => entry.mode & FileType.MASK;

/**
 * A kept directory while it is made equal to its sender's. Synchronous, for a Worker. All paths are relative to one
 * descriptor, and only directories that were announced are gone through: nobody else writes here, so no link is.
 */
export class KeptTree {
  readonly #top: number;
  readonly #old: Map<string, KeptEntry>;
  readonly #now: bigint;
  readonly #new = new Map<string, KeptEntry>();
  readonly #seen = new Set<string>();
  readonly #directories = new Set<string>(['']);
  readonly #coming = new Map<number, Coming>();
  readonly #wanted: WantedFile[] = [];
  /** Directories, whose times are set when nothing is written any more. */
  readonly #late: ContextEntry[] = [];
  #count = 0;
  #changed = false;
  #complete = false;

  /**
   * @param path of the directory, which exists
   * @param old what is in it
   * @param now nanoseconds since the epoch
   */
  constructor(path: string, old: Iterable<KeptEntry>, now: bigint) {
    this.#top = openAt(-100, Buffer.from(path).toString('latin1'), OpenFlag.RDONLY | OpenFlag.DIRECTORY);
    this.#old = new Map([...old].map((kept) => [kept.entry.path, kept]));
    this.#now = now;
  }

  #at(path: string): string {
    return `/proc/self/fd/${this.#top}/${path}`;
  }

  announce(entry: ContextEntry): void {
    const index = this.#count++;
    const { path } = entry;
    this.#check(path);
    const old = this.#old.get(path);
    const sameKind = old !== undefined && typeOf(old.entry) === typeOf(entry);
    if (old !== undefined && !sameKind) this.#remove(path);
    // Attributes are only ever added to what is there.
    const kept = sameKind && sameXattrs(old.entry, entry) ? old : undefined;
    if (old !== undefined && kept === undefined && typeOf(entry) !== FileType.DIRECTORY) this.#remove(path);
    const type = typeOf(entry);
    if (type === FileType.DIRECTORY) this.#directory(entry, kept);
    else if (type === FileType.FILE) this.#file(index, entry, kept);
    else if (NODES.has(type)) this.#node(entry, kept);
    else throw new TareError('invalid', `${JSON.stringify(path)} in the context is of an unknown kind`);
  }

  /** Only names below directories that were announced lead anywhere. */
  #check(path: string): void {
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    const name = path.slice(slash + 1);
    const isName = name !== '' && name !== '.' && name !== '..' && !name.includes('\0');
    if (!isName || slash === 0 || !this.#directories.has(parent) || this.#seen.has(path)) {
      throw new TareError('invalid', `invalid path in the context: ${JSON.stringify(path)}`);
    }
    this.#seen.add(path);
  }

  /** Something is not as it was when the tree was opened. */
  get changed(): boolean {
    return this.#changed;
  }

  #remove(path: string): void {
    this.#changed = true;
    removeTree(this.#top, path);
    const inside = `${path}/`;
    for (const known of this.#old.keys())
      if (known === path || known.startsWith(inside)) this.#old.delete(known);
  }

  #keep(entry: ContextEntry, digest: string): void {
    const old = this.#old.get(entry.path);
    const unsure = digest !== '' && this.#isUnsure(entry);
    const same = old?.digest === digest && old.unsure === unsure && sameEntry(old.entry, entry);
    this.#changed ||= !same;
    this.#new.set(entry.path, { entry, digest, unsure });
  }

  #isUnsure({ seconds, nanoseconds }: ContextEntry): boolean {
    const changed = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
    return changed + (nanoseconds === 0 ? COARSE_TICK : TICK) > this.#now;
  }

  #directory(entry: ContextEntry, kept: KeptEntry | undefined): void {
    this.#directories.add(entry.path);
    if (kept === undefined) makeDirectory(this.#at(entry.path), 0o700);
    if (kept === undefined || !sameAttributes(kept.entry, entry)) this.#furnish(entry, DIRECTORY);
    this.#late.push(entry);
    this.#keep(entry, '');
  }

  #node(entry: ContextEntry, kept: KeptEntry | undefined): void {
    const { path, link, major, minor, seconds, nanoseconds } = entry;
    const same =
      kept !== undefined &&
      sameAttributes(kept.entry, entry) &&
      kept.entry.link === link &&
      kept.entry.major === major &&
      kept.entry.minor === minor;
    if (!same) {
      if (kept !== undefined) this.#remove(path);
      if (typeOf(entry) === FileType.LINK) makeSymlink(link, this.#at(path));
      else {
        makeNode(this.#at(path), entry.mode, major, minor);
        this.#furnishNode(entry);
      }
      setOwner(this.#at(path), entry.uid, entry.gid);
    }
    setTimes(this.#at(path), seconds, nanoseconds);
    this.#keep(entry, '');
  }

  /** The umask may have taken permissions away. By a descriptor of the name: opening a device would use it. */
  #furnishNode(entry: ContextEntry): void {
    const fd = openAt(this.#top, entry.path, PathFlag.PATH | PathFlag.NOFOLLOW);
    try {
      setMode(`/proc/self/fd/${fd}`, entry.mode);
    } finally {
      closeFile(fd);
    }
  }

  #file(index: number, entry: ContextEntry, kept: KeptEntry | undefined): void {
    const old = kept?.entry;
    const unchanged =
      old !== undefined &&
      !kept!.unsure &&
      old.size === entry.size &&
      old.seconds === entry.seconds &&
      old.nanoseconds === entry.nanoseconds &&
      old.mark === entry.mark;
    if (unchanged) {
      this.#refurnish(entry, old);
      this.#keep(entry, kept!.digest);
      return;
    }
    if (entry.size === 0) {
      if (kept !== undefined) this.#remove(entry.path);
      const fd = openAt(this.#top, entry.path, CREATE, 0o600);
      this.#close(fd, entry);
      this.#keep(entry, EMPTY_DIGEST);
      return;
    }
    this.#coming.set(index, { entry, old: kept, fd: -1, hash: undefined, size: 0 });
    this.#wanted.push({ index, digest: old?.size === entry.size ? kept!.digest : '' });
  }

  #refurnish(entry: ContextEntry, old: ContextEntry): void {
    if (sameAttributes(old, entry)) return;
    this.#furnish(entry, OpenFlag.RDONLY | OpenFlag.NOFOLLOW);
  }

  #furnish(entry: ContextEntry, flags: number): void {
    const fd = openAt(this.#top, entry.path, flags);
    this.#close(fd, entry);
  }

  /** Owner before mode: a change of owner takes set-id bits away, and capabilities. */
  #close(fd: number, entry: ContextEntry): void {
    const { path, uid, gid, xattrs, seconds, nanoseconds } = entry;
    try {
      setOwnerOf(fd, uid, gid, path);
      for (const [name, value] of Object.entries(xattrs ?? {})) {
        setXattrOf(fd, name, Buffer.from(value, 'base64'), path);
      }
      setModeOf(fd, entry.mode, path);
      setTimesOf(fd, seconds, nanoseconds, path);
    } finally {
      closeFile(fd);
    }
  }

  /** Everything was announced: what was not goes. */
  wanted(): WantedFile[] {
    this.#complete = true;
    const gone = [...this.#old.keys()].filter((path) => !this.#new.has(path));
    const awaited = new Set([...this.#coming.values()].map(({ entry }) => entry.path));
    for (const path of gone) {
      if (!awaited.has(path) && this.#old.has(path)) this.#remove(path);
    }
    return this.#wanted;
  }

  #comingOf(index: number): Coming {
    const coming = this.#coming.get(index);
    if (coming === undefined) throw new TareError('invalid', `no file ${index} of the context was asked for`);
    return coming;
  }

  data(index: number, bytes: Uint8Array): void {
    const coming = this.#comingOf(index);
    this.#open(coming);
    coming.hash!.update(bytes);
    coming.size += bytes.byteLength;
    writeFully(coming.fd, bytes, coming.entry.path);
  }

  #open(coming: Coming): void {
    if (coming.fd >= 0) return;
    this.#changed = true;
    const { path } = coming.entry;
    if (this.#old.has(path)) this.#remove(path);
    coming.fd = openAt(this.#top, path, CREATE, 0o600);
    coming.hash = new Bun.CryptoHasher('sha256');
  }

  end(index: number, how: FileEnd): void {
    const coming = this.#comingOf(index);
    const { entry, old } = coming;
    if (how === 'same') {
      if (old === undefined || coming.fd >= 0)
        throw new TareError('invalid', `file ${index} of the context cannot be the same`);
      this.#coming.delete(index);
      this.#furnish(entry, OpenFlag.RDONLY | OpenFlag.NOFOLLOW);
      this.#keep(entry, old.digest);
      return;
    }
    if (how === 'gone') {
      this.#coming.delete(index);
      if (coming.fd >= 0) closeFile(coming.fd);
      this.#remove(entry.path);
      return;
    }
    this.#open(coming);
    this.#coming.delete(index);
    this.#close(coming.fd, entry);
    const digest = coming.hash!.digest('hex');
    const isTrue = how === 'complete' && coming.size === entry.size;
    this.#new.set(entry.path, {
      entry: { ...entry, size: coming.size },
      digest,
      unsure: !isTrue || this.#isUnsure(entry),
    });
  }

  /** Nothing more comes. Throws `invalid` when something is missing; `entries` are true in any case. */
  finish(): void {
    const missing = [...this.#coming.values()];
    for (const { fd, entry, old } of missing) {
      if (fd >= 0) closeFile(fd);
      if (fd < 0 && old !== undefined) this.#new.set(entry.path, old);
      else this.#remove(entry.path);
    }
    this.#coming.clear();
    for (const { path, seconds, nanoseconds } of this.#late.toReversed()) {
      setTimes(this.#at(path), seconds, nanoseconds);
    }
    if (missing.length === 0) return;
    const first = JSON.stringify(missing[0]!.entry.path);
    throw new TareError('invalid', `${missing.length} files of the context did not come, such as ${first}`);
  }

  /** What is in the directory. */
  entries(): Iterable<KeptEntry> {
    if (this.#complete) return this.#new.values();
    return new Map([...this.#old, ...this.#new]).values();
  }

  close(): void {
    for (const { fd } of this.#coming.values()) if (fd >= 0) closeFile(fd);
    this.#coming.clear();
    closeFile(this.#top);
  }
}

function sameAttributes(old: ContextEntry, entry: ContextEntry): boolean {
  return old.mode === entry.mode && old.uid === entry.uid && old.gid === entry.gid;
}

/** All that is announced but attributes that are compared by themselves. */
function sameEntry(old: ContextEntry, entry: ContextEntry): boolean {
  return (
    sameAttributes(old, entry) &&
    sameXattrs(old, entry) &&
    old.size === entry.size &&
    old.seconds === entry.seconds &&
    old.nanoseconds === entry.nanoseconds &&
    old.mark === entry.mark &&
    old.link === entry.link &&
    old.major === entry.major &&
    old.minor === entry.minor
  );
}

function sameXattrs(old: ContextEntry, entry: ContextEntry): boolean {
  if (old.xattrs === undefined && entry.xattrs === undefined) return true;
  return JSON.stringify(old.xattrs ?? {}) === JSON.stringify(entry.xattrs ?? {});
}
