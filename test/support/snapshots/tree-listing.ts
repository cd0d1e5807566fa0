import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { getXattr, listXattrs } from '../../../src/kernel/xattr.ts';

/** In nanoseconds. */
const SECOND = 1_000_000_000n;
const buffer = Buffer.alloc(1024 * 1024);

function digestOf(path: Buffer): string {
  const hash = createHash('sha256');
  const fd = openSync(path, 'r');
  for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
    hash.update(buffer.subarray(0, read));
  }
  closeSync(fd);
  return hash.digest('hex');
}

/**
 * Everything that matters of a tree, one line a name, its root first. `loose`: times in seconds, none of
 * directories, and no numbers of links.
 */
export function describeTree(root: string, loose = false): string[] {
  const lines: string[] = [];
  const inodes = new Map<number, string>();
  const visit = (directory: string): void => {
    const names = readdirSync(Buffer.from(root + directory, 'latin1'), {
      encoding: 'latin1' as BufferEncoding,
    });
    for (const name of names.sort()) describe(`${directory}/${name}`);
  };
  const describe = (path: string): void => {
    const real = Buffer.from(root + path, 'latin1');
    const status = lstatSync(real, { bigint: true, throwIfNoEntry: false });
    // Where only one layer has a directory, overlayfs lists its whiteouts (and nothing else can be done with them).
    if (status === undefined) return;
    const isDirectory = status.isDirectory();
    const time = loose
      ? isDirectory
        ? ''
        : (status.mtimeNs - (((status.mtimeNs % SECOND) + SECOND) % SECOND)) / SECOND
      : status.mtimeNs;
    let line = `${path} ${status.mode.toString(8)} ${status.uid}:${status.gid} ${time}`;
    if (status.isFile()) line += ` ${status.size} ${digestOf(real)}`;
    if (status.isSymbolicLink()) {
      line += ` -> ${readlinkSync(real, { encoding: 'latin1' as BufferEncoding })}`;
    }
    if (status.isCharacterDevice() || status.isBlockDevice()) line += ` ${status.rdev}`;
    if (!isDirectory && status.nlink > 1n) {
      const first = inodes.get(Number(status.ino)) ?? path;
      inodes.set(Number(status.ino), first);
      if (!loose) line += ` ${status.nlink}`;
      if (first !== path || !loose) line += ` = ${first}`;
    }
    for (const attribute of listXattrs(root + path)) {
      if (attribute.startsWith('trusted.overlay.')) continue;
      line += ` ${attribute}=${Buffer.from(getXattr(root + path, attribute) ?? []).toString('hex')}`;
    }
    lines.push(line);
    if (isDirectory) visit(path);
  };
  describe('');
  return lines;
}
