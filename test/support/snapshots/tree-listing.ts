import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { getXattr, listXattrs } from '../../../src/kernel/xattr.ts';

/** Everything that matters of a tree, one line a name. `loose`: times in seconds, and none of directories. */
export function describeTree(root: string, loose = false): string[] {
  const lines: string[] = [];
  const inodes = new Map<number, string>();
  const visit = (directory: string): void => {
    for (const name of readdirSync(Buffer.from(root + directory, 'latin1'), {
      encoding: 'latin1' as BufferEncoding,
    }).sort()) {
      const path = `${directory}/${name}`;
      const real = Buffer.from(root + path, 'latin1');
      const status = lstatSync(real, { bigint: true });
      const isDirectory = status.isDirectory();
      const time = loose ? (isDirectory ? '' : status.mtimeMs / 1000n) : status.mtimeNs;
      let line = `${path} ${status.mode.toString(8)} ${status.uid}:${status.gid} ${time}`;
      if (status.isFile())
        line += ` ${status.size} ${createHash('sha256').update(readFileSync(real)).digest('hex')}`;
      if (status.isSymbolicLink())
        line += ` -> ${readlinkSync(real, { encoding: 'latin1' as BufferEncoding })}`;
      if (status.isCharacterDevice() || status.isBlockDevice()) line += ` ${status.rdev}`;
      if (!isDirectory && status.nlink > 1n) {
        const first = inodes.get(Number(status.ino)) ?? path;
        inodes.set(Number(status.ino), first);
        line += ` = ${first}`;
      }
      for (const attribute of listXattrs(root + path)) {
        if (attribute.startsWith('trusted.overlay.')) continue;
        line += ` ${attribute}=${Buffer.from(getXattr(root + path, attribute) ?? []).toString('hex')}`;
      }
      lines.push(line);
      if (isDirectory) visit(path);
    }
  };
  visit('');
  return lines;
}
