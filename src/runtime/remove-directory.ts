import { readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../kernel/errno.ts';

/**
 * Removes a small directory of ours with all that is in it, while a monitor that is ending may remove files of its
 * own there: `rm` of `node:fs` gives up in the middle when an entry vanishes under it. Nothing there is fine.
 */
export function removeDirectory(directory: string): void {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    let entries: Array<{ name: string; isDirectory(): boolean }>;
    try {
      entries = readdirSync(directory, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) removeDirectory(path);
      else unlinkIfThere(path);
    }
    try {
      rmdirSync(directory);
      return;
    } catch (error) {
      if (codeOf(error) !== 'ENOTEMPTY') return;
    }
  }
}

/** Removes a file; nothing there is fine. */
export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
  }
}
