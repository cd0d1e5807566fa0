import { baseOf, parentOf } from '../../../archive/byte-paths.ts';
import { type ByteString, toByteString } from '../../../archive/byte-string.ts';
import type { TarType } from '../../../archive/tar-entry.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../../archive/tar-writer.ts';
import { isContentXattr } from '../../../archive/write-tree.ts';
import { TareError } from '../../../base/errors.ts';
import { Breath } from '../../../base/streams.ts';
import { AT_FDCWD, type FileStatus, FileType, statusAt } from '../../../kernel/files.ts';
import { getXattr, listXattrs } from '../../../kernel/xattr.ts';
import type { LayerMember } from '../../../snapshots/snapshots.ts';
import type { InlineFile } from '../copy-request.ts';
import type { CopyItem, CopyPlan } from './copy-plan.ts';
import { findDirectory, findInside, isDirectory } from './links-inside.ts';

const TYPES: Readonly<Record<number, TarType>> = {
  [FileType.FILE]: 'file',
  [FileType.DIRECTORY]: 'directory',
  [FileType.LINK]: 'symlink',
  [FileType.CHARACTER]: 'character',
  [FileType.BLOCK]: 'block',
  [FileType.FIFO]: 'fifo',
};

/** Members of one message to the thread that stores the layer. */
const BATCH = 256;

/** What becomes of the files' attributes. */
export interface CopyAttributes {
  /** Whom everything is to belong to; undefined: files keep theirs, and directories that are made are root's. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Permissions of something whose own are `mode`. */
  readonly mode: (mode: number, isDirectory: boolean) => number;
  /** Seconds since the epoch of something whose own are `seconds`. */
  readonly time: (seconds: number) => number;
  /** Seconds since the epoch, of directories that are made. */
  readonly now: number;
}

/** Where the copy's files come from and go to. */
export interface CopyPlaces {
  /** Byte strings without a slash at the end; nothing there changes. */
  readonly source: ByteString;
  readonly target: ByteString;
  /** Absolute, in the target. */
  readonly destination: string;
}

/**
 * A copy as the members of a layer, without changing the target: what of it is there already, and above it, is only
 * looked at. Throws `invalid` where a file would take a directory's place or the other way round.
 */
export async function* copyMembers(
  { items, intoDirectory, several }: CopyPlan,
  inline: readonly InlineFile[],
  { source, target, destination }: CopyPlaces,
  attributes: CopyAttributes,
): AsyncGenerator<LayerMember[]> {
  const wanted = toByteString(destination);
  const existing = findInside(target, wanted);
  const isThere = existing !== undefined && isDirectory(existing.status);
  if (several && !destination.endsWith('/') && !isThere) {
    throw new TareError(
      'invalid',
      'When using COPY with more than one source file, the destination must be a directory and end with a /',
    );
  }
  const into = intoDirectory || isThere;
  const { path, missing } = findDirectory(target, into ? wanted : parentOf(wanted.replace(/\/+$/, '')));
  const writer = new Writer(source, target, [path, ...missing].filter(Boolean).join('/'), attributes);
  writer.above(path, missing);
  const last = into ? undefined : (wanted.split('/').at(-1) ?? '');
  const breath = new Breath();
  for (const item of items) {
    if (breath.due) await breath.take();
    writer.item(item, last ?? item.name, missing.length > 0);
    if (writer.batch.length >= BATCH) yield writer.take();
  }
  yield writer.take();
  for (const file of inline) yield [writer.inline(file, last ?? toByteString(file.name))];
  yield [{ header: tarEnd() }];
}

/** Directories that are missing below one that is there, as a layer. */
export function* directoryMembers(
  target: ByteString,
  path: ByteString,
  missing: readonly ByteString[],
  { now, owner }: Pick<CopyAttributes, 'now' | 'owner'>,
): Generator<LayerMember[]> {
  const attributes = { owner, now, mode: (mode: number) => mode, time: (time: number) => time };
  const writer = new Writer('', target, '', attributes);
  writer.above(path, missing);
  yield writer.take();
  yield [{ header: tarEnd() }];
}

/** Whiteouts that hide files of a tree below them. */
export function* hidingMembers(tree: ByteString, paths: readonly ByteString[]): Generator<LayerMember[]> {
  const attributes = { owner: undefined, now: 0, mode: (mode: number) => mode, time: (time: number) => time };
  const writer = new Writer('', tree, '', attributes);
  for (const path of paths) {
    const found = findInside(tree, parentOf(path));
    if (!found || !statusAt(AT_FDCWD, [tree, found.path, baseOf(path)].join('/'))) continue;
    writer.above(found.path, []);
    writer.whiteout([found.path, `.wh.${baseOf(path)}`].filter(Boolean).join('/'));
  }
  yield writer.take();
  yield [{ header: tarEnd() }];
}

class Writer {
  batch: LayerMember[] = [];
  readonly #source: ByteString;
  readonly #target: ByteString;
  readonly #directory: ByteString;
  readonly #attributes: CopyAttributes;
  /** First name of each file with several, by device and inode. */
  readonly #inodes = new Map<string, ByteString>();
  /** Names of the layer's directories that the target has too, or not. */
  readonly #there = new Map<ByteString, boolean>();

  constructor(source: ByteString, target: ByteString, directory: ByteString, attributes: CopyAttributes) {
    this.#source = source;
    this.#target = target;
    this.#directory = directory;
    this.#attributes = attributes;
  }

  take(): LayerMember[] {
    return this.batch.splice(0);
  }

  /** The directories on the way: those that are there as they are, for the layer's would hide their attributes. */
  above(path: ByteString, missing: readonly ByteString[]): void {
    const names = path.split('/').filter(Boolean);
    for (let depth = 1; depth <= names.length; depth++) {
      const name = names.slice(0, depth).join('/');
      const full = `${this.#target}/${name}`;
      const status = statusAt(AT_FDCWD, full);
      if (!status) continue;
      const { mode, uid, gid, seconds } = status;
      const xattrs = xattrsOf(full);
      this.#add({ type: 'directory', name, mode: mode & 0o7777, uid, gid, seconds, xattrs });
    }
    for (let depth = 1; depth <= missing.length; depth++) {
      const name = [...names, ...missing.slice(0, depth)].join('/');
      const { now, owner } = this.#attributes;
      this.#add({ type: 'directory', name, mode: 0o755, seconds: now, ...owner });
    }
  }

  whiteout(name: ByteString): void {
    this.#add({ type: 'file', name, mode: 0o600 });
  }

  /** `isNew`: the destination is not there. */
  item({ path, status, target }: CopyItem, below: ByteString, isNew: boolean): void {
    const type = TYPES[status.mode & FileType.MASK];
    if (type === undefined) return;
    const { owner = status, mode, time } = this.#attributes;
    const { uid, gid } = owner;
    const name = this.#directory === '' ? below : `${this.#directory}/${below}`;
    if (!isNew) this.#check(name, type);
    const from = `${this.#source}/${path}`;
    const member = {
      type,
      name,
      uid,
      gid,
      mode: type === 'symlink' ? 0o777 : mode(status.mode & 0o7777, type === 'directory'),
      seconds: time(status.seconds),
      linkName: target,
      ...(type !== 'symlink' && { xattrs: xattrsOf(from) }),
      ...((type === 'character' || type === 'block') && { major: status.major, minor: status.minor }),
    };
    if (type !== 'file') {
      this.#add(member);
      return;
    }
    const inode = status.links > 1 ? `${status.device}:${status.inode}` : undefined;
    const first = inode === undefined ? undefined : this.#inodes.get(inode);
    if (first !== undefined) {
      this.#add({ ...member, type: 'link', linkName: first });
      return;
    }
    if (inode !== undefined) this.#inodes.set(inode, name);
    const { size } = status;
    this.batch.push({ header: encodeTarHeader({ ...member, size }), path: from, size });
  }

  inline({ content, file }: InlineFile, below: ByteString): LayerMember {
    const name = this.#directory === '' ? below : `${this.#directory}/${below}`;
    this.#check(name, 'file');
    const bytes = Buffer.from(content);
    const size = file?.size ?? bytes.byteLength;
    const { owner, mode, time } = this.#attributes;
    const header = encodeTarHeader({
      type: 'file',
      name,
      size,
      seconds: time(file?.seconds ?? 0),
      ...owner,
      mode: mode(file?.mode ?? 0o644, false),
    });
    if (file) return { header, path: toByteString(file.path), size };
    return { header: Buffer.concat([header, bytes, tarPadding(size)]) };
  }

  #add(member: Parameters<typeof encodeTarHeader>[0]): void {
    this.batch.push({ header: encodeTarHeader(member) });
  }

  /** Below a directory that the target has not, nothing can be in the way. */
  #check(name: ByteString, type: TarType): void {
    const parent = parentOf(name);
    if (this.#there.get(parent) === false) {
      if (type === 'directory') this.#there.set(name, false);
      return;
    }
    const status = statusAt(AT_FDCWD, `${this.#target}/${name}`);
    if (type === 'directory') this.#there.set(name, status !== undefined);
    if (status === undefined || isDirectory(status) === (type === 'directory')) return;
    throw new TareError(
      'invalid',
      type === 'directory'
        ? `cannot copy to non-directory: /${name}`
        : `cannot replace the directory /${name} with a file`,
    );
  }
}

function xattrsOf(path: ByteString): Map<ByteString, Uint8Array> {
  const found = new Map<ByteString, Uint8Array>();
  for (const name of listXattrs(path)) {
    const value = isContentXattr(name) ? getXattr(path, name) : undefined;
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

/** Of a socket, undefined: a tar cannot have it. */
export function kindOf(status: FileStatus): TarType | undefined {
  return TYPES[status.mode & FileType.MASK];
}
