import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of all files below a directory, hard links once. What vanishes meanwhile counts nothing. */
export async function directorySize(root: string): Promise<number> {
  const seen = new Set<string>();
  let bytes = 0;
  const pending = [root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const entries = await opendir(directory).catch(() => undefined);
    if (entries === undefined) continue;
    for await (const entry of entries) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) pending.push(path);
      const stat = await lstat(path).catch(() => undefined);
      if (stat === undefined || stat.isDirectory()) continue;
      if (stat.nlink > 1) {
        const key = `${stat.dev}:${stat.ino}`;
        if (seen.has(key)) continue;
        seen.add(key);
      }
      bytes += stat.size;
    }
  }
  return bytes;
}
