import { Breath, streamOf } from '../base/streams.ts';
import { OutputBuffer } from './output-buffer.ts';
import { tarEnd } from './tar-writer.ts';
import { MemberWriter } from './tree-members.ts';
import { type TreeItem, walkTree } from './tree-walk.ts';

/** Attributes that name this machine's policy or overlayfs's bookkeeping, not the file's content. */
export function isContentXattr(name: string): boolean {
  return !name.startsWith('trusted.overlay.') && name !== 'security.selinux' && name !== 'security.ima';
}

/**
 * A directory tree as a tar stream: members in byte order of their paths, relative to `root`, which itself is
 * left out, as `docker export` does it. Safe against concurrent changes, also malicious ones: links are never
 * followed. A file that shrinks while it is read is filled with zeros. `descend` leaves out what is below a
 * directory (mounts of other things, for example).
 */
export function writeTree(
  root: string,
  descend: (item: TreeItem) => boolean = () => true,
): ReadableStream<Uint8Array> {
  return streamOf(treeBytes(root, descend));
}

async function* treeBytes(root: string, descend: (item: TreeItem) => boolean): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  const breath = new Breath();
  const writer = new MemberWriter(output, breath, isContentXattr);
  for (const item of walkTree(root, descend)) {
    yield* writer.member(item);
    if (breath.due) await breath.take();
  }
  yield* writer.bytes(tarEnd());
  if (!output.isEmpty) yield output.take();
}
