import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of a block in `st_blocks` (stat(2)). */
const BLOCK = 512;

/** What the files and directories at and below `path` take on the disk in bytes, hard links once: `du`. */
export async function diskBytes(path: string): Promise<number> {
  const seen = new Set<number>();
  let bytes = 0;
  const pending = [path];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const status = await lstat(at).catch(() => undefined);
    if (status === undefined || (status.nlink > 1 && seen.has(status.ino))) continue;
    if (!status.isDirectory() && status.nlink > 1) seen.add(status.ino);
    bytes += status.blocks * BLOCK;
    if (!status.isDirectory()) continue;
    for await (const { name } of await opendir(at)) pending.push(join(at, name));
  }
  return bytes;
}
