import { walkTree } from '../../archive/tree-walk.ts';
import { Breath } from '../../base/streams.ts';
import { FileType } from '../../kernel/files.ts';
import type { Usage } from '../snapshots.ts';

/** Sum of the sizes of a tree's files, each inode once, and the number of inodes but for the root's. */
export async function treeUsage(root: string): Promise<Usage> {
  const breath = new Breath();
  const seen = new Set<bigint>();
  let bytes = 0;
  let inodes = 0;
  for (const { path, status } of walkTree(root)) {
    if (breath.due) await breath.take();
    const type = status.mode & FileType.MASK;
    if (path === '') continue;
    if (status.links > 1 && type !== FileType.DIRECTORY) {
      if (seen.has(status.inode)) continue;
      seen.add(status.inode);
    }
    inodes++;
    if (type === FileType.FILE || type === FileType.LINK) bytes += status.size;
  }
  return { bytes, inodes };
}
