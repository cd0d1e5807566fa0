import { decompressed } from '../../../archive/compression.ts';
import type { TarEntry } from '../../../archive/tar-entry.ts';
import { readTarMembers } from '../../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../../archive/tar-writer.ts';
import { isKind } from '../../../base/errors.ts';

/**
 * Whether bytes are a tar, plain or compressed: as Docker has it, when a first member can be read. The name does not
 * count, and a compressed file that is no tar is none.
 */
export async function isArchive(bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  try {
    for await (const _ of readTarMembers(decompressed(bytes))) return true;
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
  }
  return false;
}

/** An archive as a plain tar; with `owner`, all in it belongs to that. `mode`: the permissions by those that there are. */
export async function* unpackable(
  archive: AsyncIterable<Uint8Array>,
  owner: { readonly uid: number; readonly gid: number } | undefined,
  mode?: (mode: number, isDirectory: boolean) => number,
): AsyncGenerator<Uint8Array> {
  for await (const { entry, body } of readTarMembers(decompressed(archive))) {
    const own =
      mode === undefined || entry.type === 'symlink'
        ? {}
        : { mode: mode(entry.mode, entry.type === 'directory') };
    yield encodeTarHeader({ ...entry, ...owner, ...own });
    if (entry.type !== 'file') continue;
    yield* whole(entry, body);
    yield tarPadding(entry.size);
  }
  yield tarEnd();
}

const ZEROS = new Uint8Array(64 * 1024);

/** A file's bytes with its holes as zeros: the new header knows no holes. */
async function* whole(entry: TarEntry, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (!entry.sparse) return yield* body;
  const pieces = entry.sparse.filter(({ length }) => length > 0);
  let at = 0;
  let piece = pieces.shift();
  let left = piece?.length ?? 0;
  for await (const chunk of body) {
    for (let from = 0; from < chunk.byteLength && piece; ) {
      if (left === piece.length) {
        yield* zeros(piece.offset - at);
        at = piece.offset;
      }
      const part = chunk.subarray(from, from + left);
      yield part;
      at += part.byteLength;
      left -= part.byteLength;
      from += part.byteLength;
      if (left > 0) continue;
      piece = pieces.shift();
      left = piece?.length ?? 0;
    }
  }
  yield* zeros(entry.size - at);
}

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.byteLength) yield ZEROS.subarray(0, left);
}
