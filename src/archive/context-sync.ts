import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Breath } from '../base/streams.ts';
import { codeOf } from '../kernel/errno.ts';
import { FileType, readLinkAt } from '../kernel/files.ts';
import { getXattr, listXattrs } from '../kernel/xattr.ts';
import type { ContextEntry } from './context-entry.ts';
import { dataHeader, endFrame } from './context-frames.ts';
import { type ContextOptions, selectedItems } from './context-items.ts';
import { inGoWords } from './rooted/words.ts';
import type { TreeItem } from './tree-walk.ts';

/*
 * The sender's end of a kept context (engine/builder/context/kept-contexts.ts).
 */

const KINDS: ReadonlySet<number> = new Set([
  FileType.FILE,
  FileType.DIRECTORY,
  FileType.LINK,
  FileType.FIFO,
  FileType.CHARACTER,
  FileType.BLOCK,
]);
/** Entries that are announced together. */
const BATCH = 500;
const PIECE = 256 * 1024;

/** What a directory holds, in batches, a directory before what is in it. Throws a TareError in Go's words. */
export async function* contextEntries(options: ContextOptions): AsyncGenerator<ContextEntry[]> {
  const breath = new Breath();
  let batch: ContextEntry[] = [];
  try {
    for (const { item, passed } of selectedItems(options, entryOf)) {
      const entry = passed ?? entryOf(item);
      if (entry !== undefined) batch.push(entry);
      if (batch.length >= BATCH) {
        yield batch;
        batch = [];
      }
      if (breath.due) await breath.take();
    }
  } catch (error) {
    throw inGoWords(error);
  }
  if (batch.length > 0) yield batch;
}

/** Undefined for a socket, and for what has vanished. */
function entryOf(item: TreeItem): ContextEntry | undefined {
  const { path, status } = item;
  const type = status.mode & FileType.MASK;
  if (!KINDS.has(type)) return undefined;
  const isDevice = type === FileType.CHARACTER || type === FileType.BLOCK;
  try {
    const xattrs = xattrsOf(item);
    return {
      path,
      mode: type === FileType.LINK ? FileType.LINK | 0o777 : status.mode,
      uid: 0,
      gid: 0,
      size: type === FileType.FILE ? status.size : 0,
      seconds: status.seconds,
      nanoseconds: status.nanoseconds,
      mark: `${status.device}:${status.inode}:${status.changedSeconds}.${status.changedNanoseconds}`,
      link: type === FileType.LINK ? readLinkAt(item.directory, item.base) : '',
      major: isDevice ? status.major : 0,
      minor: isDevice ? status.minor : 0,
      ...(xattrs === undefined ? {} : { xattrs }),
    };
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Capabilities, as Docker's client sends them, and nothing else. */
function xattrsOf(item: TreeItem): Record<string, string> | undefined {
  const path = `/proc/self/fd/${item.directory}/${item.base}`;
  if ((item.status.mode & FileType.MASK) !== FileType.FILE) return undefined;
  if (!listXattrs(path).includes('security.capability')) return undefined;
  const value = getXattr(path, 'security.capability');
  return value && { 'security.capability': Buffer.from(value).toString('base64') };
}

/** A file that the daemon wants. */
export interface WantedEntry {
  readonly index: number;
  /** Hex SHA-256 of what it has; empty: it has nothing like it. */
  readonly digest: string;
  readonly entry: ContextEntry;
}

/** The wanted files of a directory as frames. `sent` is told of bytes of contents. */
export async function* contextFrames(
  root: string,
  wanted: readonly WantedEntry[],
  sent: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const breath = new Breath();
  for (const file of wanted) {
    for (const frame of framesOf(root, file, sent)) {
      yield frame;
      if (breath.due) await breath.take();
    }
  }
}

function* framesOf(
  root: string,
  { index, digest, entry }: WantedEntry,
  sent: (bytes: number) => void,
): Generator<Uint8Array> {
  let fd: number;
  try {
    const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(entry.path, 'latin1')]);
    fd = openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw inGoWords(error);
    yield endFrame(index, 'gone');
    return;
  }
  try {
    if (digest !== '' && digestOf(fd) === digest && isAsAnnounced(fd, entry)) {
      yield endFrame(index, 'same');
      return;
    }
    for (let at = 0; ; ) {
      const piece = new Uint8Array(PIECE);
      const count = readSync(fd, piece, 0, PIECE, at);
      if (count === 0) break;
      at += count;
      yield dataHeader(index, count);
      yield piece.subarray(0, count);
      sent(count);
    }
    yield endFrame(index, isAsAnnounced(fd, entry) ? 'complete' : 'changed');
  } finally {
    closeSync(fd);
  }
}

function digestOf(fd: number): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE);
  for (let at = 0; ; ) {
    const count = readSync(fd, piece, 0, PIECE, at);
    if (count === 0) return hash.digest('hex');
    hash.update(piece.subarray(0, count));
    at += count;
  }
}

/** Nobody has written to it since. */
function isAsAnnounced(fd: number, { size, seconds, nanoseconds }: ContextEntry): boolean {
  const status = fstatSync(fd, { bigint: true });
  return (
    status.size === BigInt(size) && status.mtimeNs === BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)
  );
}
