import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { parseCriLine } from './cri.ts';

/**
 * The files of one log: PATH is written to, PATH.1 is the one before it, and so on; PATH.2.gz and older may be
 * compressed. A rotation renames them, which an open one does not mind.
 */
export interface LogFile {
  readonly fd: number;
  readonly inode: number;
  /** The descriptor is that of a gzip file: `expand` it before reading. */
  readonly compressed: boolean;
}

/** A place in a log that outlives rotations and the daemon. */
export interface LogMark {
  /** The time of the file's first entry, which nothing changes. */
  readonly head: string;
  readonly offset: number;
}

/** One file of a log by its number: 0 is the current one. */
interface NumberedFile {
  readonly index: number;
  readonly name: string;
  readonly compressed: boolean;
}

/** All files of a log, the highest number (the oldest) first. */
export function numberedLogFiles(path: string): NumberedFile[] {
  const base = basename(path);
  const found: NumberedFile[] = [];
  for (const name of namesIn(dirname(path))) {
    const match = name.startsWith(base) ? /^(?:\.(\d+)(\.gz)?)?$/.exec(name.slice(base.length)) : null;
    if (!match) continue;
    const compressed = match[2] !== undefined;
    found.push({ index: Number(match[1] ?? 0), name: `${path}${name.slice(base.length)}`, compressed });
  }
  return found.sort((a, b) => b.index - a.index);
}

/** The names of a log's files that exist, oldest first. */
export function logFileNames(path: string): string[] {
  const names = new Map<number, string>();
  for (const { index, name, compressed } of numberedLogFiles(path)) {
    // With both, a crash came right after the compressing: the plain one is as good.
    if (!compressed || !names.has(index)) names.set(index, name);
  }
  return [...names.values()];
}

/** Bytes that a log's files take. */
export function logSize(path: string): number {
  return numberedLogFiles(path).reduce(
    (sum, { name }) => sum + (statSync(name, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw fromNodeError(error, `logs in ${directory}`);
  }
}

function open(name: string): LogFile {
  try {
    const fd = openSync(name, 'r');
    return { fd, inode: fstatSync(fd).ino, compressed: name.endsWith('.gz') };
  } catch (error) {
    throw fromNodeError(error, `log ${name}`);
  }
}

/** Opens all files of a log, oldest first, in one step: rotations of this process cannot come in between. */
export function openLogFiles(path: string): LogFile[] {
  return logFileNames(path).map(open);
}

/** Gives a descriptor back. */
export function closeLogFile(file: LogFile): void {
  closeSync(file.fd);
}

/**
 * The content of a compressed file as a file without a name (disk, not memory); takes `file` over. `directory` is
 * where it has its room. A damaged file gives what is whole of it.
 */
export async function expand(file: LogFile, directory: string): Promise<LogFile> {
  if (!file.compressed) return file;
  const name = `${directory}/.expand-${process.pid}-${file.fd}`;
  try {
    const fd = openSync(name, 'w+', 0o600);
    unlinkSync(name);
    await pipeline(
      createReadStream('', { fd: file.fd, start: 0, autoClose: false }),
      createGunzip(),
      createWriteStream('', { fd, start: 0, autoClose: false }),
    ).catch(() => {});
    return { fd, inode: file.inode, compressed: false };
  } catch (error) {
    throw fromNodeError(error, `expanding the log in ${directory}`);
  } finally {
    closeSync(file.fd);
  }
}

const HEAD = 64;

/** The time of a file's first entry; empty while it has none. The file is not compressed. */
export function headOf(file: LogFile): string {
  const bytes = Buffer.alloc(HEAD);
  const count = readSync(file.fd, bytes, 0, HEAD, 0);
  return parseCriLine(bytes.subarray(0, count))?.time ?? '';
}

/**
 * Opens the file that was begun after `file`, if there is one. When `file` is not there any more (rotated out, or
 * compressed meanwhile), the next is found by the times at which the files begin.
 */
export async function openNext(path: string, file: LogFile): Promise<LogFile | undefined> {
  const names = logFileNames(path);
  const place = names.findIndex((name) => statSync(name).ino === file.inode);
  if (place >= 0) {
    const next = names[place + 1];
    return next === undefined ? undefined : open(next);
  }
  return await openByTime(path, names, headOf(file));
}

/** Opens the first file that begins after the one with `head`. */
async function openByTime(
  path: string,
  names: readonly string[],
  head: string,
): Promise<LogFile | undefined> {
  // All at once, so that no rotation comes in between.
  const files = names.map(open);
  const directory = dirname(path);
  try {
    for (let file = files.shift(); file; file = files.shift()) {
      const plain = await expand(file, directory);
      const own = headOf(plain);
      if (own !== head && (own === '' || Date.parse(own) >= Date.parse(head))) return plain;
      closeLogFile(plain);
    }
    return undefined;
  } finally {
    files.forEach(closeLogFile);
  }
}
