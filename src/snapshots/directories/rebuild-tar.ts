import { type ByteString, toByteString } from '../../archive/byte-string.ts';
import { OutputBuffer } from '../../archive/output-buffer.ts';
import { TareError } from '../../base/errors.ts';
import { Breath, streamOf } from '../../base/streams.ts';
import { AT_FDCWD, closeFile, OpenFlag, openAt, readInto } from '../../kernel/files.ts';
import type { DirectoryMeta } from './directory-job.ts';
import { readStructure } from './structure.ts';
import type { Shadow } from './tree-writer.ts';

/** A layer's tar again, from its structure and its tree. `entry` is the layer's directory in `layers/`. */
export function rebuildTar(meta: DirectoryMeta, entry: string, tree: string): ReadableStream<Uint8Array> {
  return streamOf(tarBytes(meta, entry, toByteString(tree)));
}

async function* tarBytes(meta: DirectoryMeta, entry: string, tree: string): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  const breath = new Breath();
  let index = 0;
  let total = 0;
  for (const record of readStructure(`${entry}/structure`)) {
    if ('literal' in record) {
      for (let at = 0; at < record.literal.byteLength; ) {
        at += output.add(record.literal.subarray(at));
        if (output.full) yield output.take();
      }
      total += record.literal.byteLength;
    } else {
      const path = locate(record.path, index++, meta.shadows, toByteString(entry), tree);
      const fd = openAt(AT_FDCWD, path, OpenFlag.RDONLY | OpenFlag.NOFOLLOW);
      try {
        let left = record.size;
        while (left > 0) {
          const room = output.room;
          const count = readInto(fd, room.byteLength > left ? room.subarray(0, left) : room, path);
          if (count === 0) throw changed(meta, path);
          output.filled(count);
          left -= count;
          if (output.full) yield output.take();
          if (breath.due) await breath.take();
        }
      } finally {
        closeFile(fd);
      }
      total += record.size;
    }
    if (breath.due) await breath.take();
  }
  if (total !== meta.tarSize) throw changed(meta, `${entry}/structure`);
  if (!output.isEmpty) yield output.take();
}

/** Where the contents of `file` record number `index` lie: in the tree, or shadowed by a later member. */
function locate(
  path: ByteString,
  index: number,
  shadows: readonly Shadow[],
  entry: string,
  tree: string,
): string {
  for (const shadow of shadows) {
    if (index >= shadow.before) continue;
    if (path === shadow.path) return `${entry}/shadow/${shadow.index}`;
    if (path.startsWith(`${shadow.path}/`)) {
      return `${entry}/shadow/${shadow.index}/${path.slice(shadow.path.length + 1)}`;
    }
  }
  return `${tree}/${path}`;
}

function changed(meta: DirectoryMeta, path: string): TareError {
  return new TareError(
    'corrupt',
    `the layer ${meta.diffId} was changed on disk (${path}): remove its images and pull them again`,
  );
}
