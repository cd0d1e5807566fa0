import { assertsDirectory, pathBase } from '../../base/go-paths.ts';
import { Breath } from '../../base/streams.ts';
import { closeFile, type FileStatus, FileType, statusOfFd } from '../../kernel/files.ts';
import { OpenFlag } from '../../kernel/openat2.ts';
import { insideId } from '../../kernel/user-namespace.ts';
import { baseOf, parentOf } from '../byte-paths.ts';
import { type ByteString, toByteString } from '../byte-string.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { tarEnd } from '../tar-writer.ts';
import { MemberWriter } from '../tree-members.ts';
import { type TreeItem, walkTree } from '../tree-walk.ts';
import { isContentXattr } from '../write-tree.ts';
import type { OpenRoot } from './open-root.ts';
import { openPath } from './resolve.ts';

/** Something that is about to be packed. */
export interface Packable {
  readonly status: FileStatus;
  /** Its tar, in large pieces. To be iterated once; then the descriptors are closed. */
  readonly tar: AsyncGenerator<Uint8Array>;
}

/** Opens what is at `path` (as `statPath` looks at it) for packing. Throws a SyscallError. */
export function packPath(root: OpenRoot, path: string): Packable {
  const flags = assertsDirectory(path) ? OpenFlag.DIRECTORY : OpenFlag.NOFOLLOW;
  const fd = openPath(root, path, flags);
  let status: FileStatus;
  try {
    status = statusOfFd(fd, path);
  } catch (error) {
    closeFile(fd);
    throw error;
  }
  if ((status.mode & FileType.MASK) === FileType.DIRECTORY) {
    return { status, tar: packDirectory(root, fd, toByteString(pathBase(path))) };
  }
  closeFile(fd);
  // The directory is pinned, its entry is looked at anew: only now, relative to that.
  const parent = openPath(root, parentOf(path) || '/', OpenFlag.DIRECTORY);
  const base = toByteString(baseOf(path));
  return { status, tar: packOne(withOwnerInside({ path: base, status, directory: parent, base }, root)) };
}

/** In a user namespace a file's owner is told as it is inside. */
function withOwnerInside(item: TreeItem, { ids }: OpenRoot): TreeItem {
  if (ids === undefined) return item;
  const { status } = item;
  return {
    ...item,
    status: { ...status, uid: insideId(ids.uids, status.uid), gid: insideId(ids.gids, status.gid) },
  };
}

async function* packOne(item: TreeItem): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  const writer = new MemberWriter(output, new Breath(), isContentXattr);
  try {
    yield* writer.member(item);
    yield* writer.bytes(tarEnd());
    if (!output.isEmpty) yield output.take();
  } finally {
    closeFile(item.directory);
  }
}

/** Members are named for the directory, as `name/below`; `/below` for the root. */
async function* packDirectory(root: OpenRoot, fd: number, name: ByteString): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  const breath = new Breath();
  const writer = new MemberWriter(output, breath, isContentXattr);
  const belongs = (item: TreeItem): boolean => !root.foreign.has(item.status.device);
  const below = name === '/' ? '/' : `${name}/`;
  try {
    for (const item of walkTree(`/proc/self/fd/${fd}`, belongs)) {
      const isDirectory = (item.status.mode & FileType.MASK) === FileType.DIRECTORY;
      if (!isDirectory && !belongs(item)) continue;
      yield* writer.member(withOwnerInside(item, root), below + item.path);
      if (breath.due) await breath.take();
    }
    yield* writer.bytes(tarEnd());
    if (!output.isEmpty) yield output.take();
  } finally {
    closeFile(fd);
  }
}
