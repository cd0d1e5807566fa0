import { codeOf } from '../../kernel/errno.ts';
import {
  closeFile,
  FileType,
  OpenFlag,
  openAt,
  readDirectory,
  removeAt,
  statusAt,
} from '../../kernel/files.ts';
import type { ByteString } from '../byte-string.ts';

/**
 * Removes a name with all that is below it, never through a link: each step is relative to a descriptor. What
 * vanishes meanwhile is fine. Throws a SyscallError (EBUSY for a mount point).
 */
export function removeTree(directory: number, name: ByteString): void {
  const status = statusAt(directory, name);
  if (status === undefined) return;
  const isDirectory = (status.mode & FileType.MASK) === FileType.DIRECTORY;
  if (isDirectory) emptyDirectory(directory, name);
  removeAt(directory, name, isDirectory);
}

function emptyDirectory(parent: number, name: ByteString): void {
  let fd: number;
  try {
    fd = openAt(parent, name, OpenFlag.RDONLY | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '')) return;
    throw error;
  }
  try {
    for (const entry of readDirectory(fd, name)) removeTree(fd, entry);
  } finally {
    closeFile(fd);
  }
}
