import { baseOf, joinPath, parentOf } from '../../archive/byte-paths.ts';
import type { ByteString } from '../../archive/byte-string.ts';
import { OutputBuffer } from '../../archive/output-buffer.ts';
import { encodeTarHeader, tarEnd } from '../../archive/tar-writer.ts';
import { MemberWriter } from '../../archive/tree-members.ts';
import { isContentXattr } from '../../archive/write-tree.ts';
import { Breath, streamOf } from '../../base/streams.ts';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from '../apply/overlay-attributes.ts';
import { PendingDirectories } from './changes.ts';
import { walkSnapshot } from './walk-snapshot.ts';

/** An upper directory's changes as a layer tar (OCI image-spec layer.md), the same bytes for the same tree. */
export function snapshotDiff(
  upper: string,
  lowers: readonly string[],
  hidden: readonly string[],
): ReadableStream<Uint8Array> {
  return streamOf(diffBytes(upper, lowers, hidden));
}

async function* diffBytes(
  upper: string,
  lowers: readonly string[],
  hidden: readonly string[],
): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  const breath = new Breath();
  const writer = new MemberWriter(output, breath, isContentXattr);
  const pending = new PendingDirectories<Uint8Array>();
  for (const { kind, item, passive, replaced } of walkSnapshot(upper, lowers, hidden)) {
    if (breath.due) await breath.take();
    const header = passive ? writer.header(item) : undefined;
    for (const parent of pending.enter(item.path, header)) yield* writer.bytes(parent);
    if (passive) continue;
    if (kind === 'D') {
      const name = joinPath(parentOf(item.path), WHITEOUT_PREFIX + baseOf(item.path));
      yield* writer.bytes(marker(name, item.status.seconds));
      continue;
    }
    yield* writer.member(item);
    if (replaced !== undefined) {
      yield* writer.bytes(marker(joinPath(item.path, OPAQUE_NAME), item.status.seconds));
    }
  }
  yield* writer.bytes(tarEnd());
  if (!output.isEmpty) yield output.take();
}

/** An empty file whose name is a whiteout. */
function marker(name: ByteString, seconds: number): Uint8Array {
  return encodeTarHeader({ type: 'file', name, mode: 0o600, seconds });
}
