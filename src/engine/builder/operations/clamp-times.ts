import { readTarMembers } from '../../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../../archive/tar-writer.ts';
import { streamOf } from '../../../base/streams.ts';

/** A layer in which nothing is younger than SOURCE_DATE_EPOCH; without one, the layer as it is. */
export function clampTimes(
  layer: ReadableStream<Uint8Array>,
  epoch: number | undefined,
): ReadableStream<Uint8Array> {
  return epoch === undefined ? layer : streamOf(clamped(layer, epoch));
}

/** Layers of another SOURCE_DATE_EPOCH have other times. */
export function epochKey({ sourceDateEpoch }: { readonly sourceDateEpoch: number | undefined }): number[] {
  return sourceDateEpoch === undefined ? [] : [sourceDateEpoch];
}

async function* clamped(layer: ReadableStream<Uint8Array>, epoch: number): AsyncGenerator<Uint8Array> {
  for await (const { entry, body } of readTarMembers(layer)) {
    yield encodeTarHeader({ ...entry, seconds: Math.min(entry.seconds, epoch) });
    if (entry.type !== 'file') continue;
    for await (const piece of body) yield piece;
    yield tarPadding(entry.size);
  }
  yield tarEnd();
}
