import type { ContentStore } from '../../content/content.ts';
import { shortDigest } from '../../oci/digest.ts';
import { parsePlatform } from '../../oci/platform.ts';
import {
  canonicalName,
  canonicalString,
  familiarString,
  type Reference,
  withDefaultTag,
  withDigest,
} from '../../oci/reference.ts';
import type { FetchedImage, FetchedLayer, ImageFetcher } from '../../registry-client/registry-client.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import { EarlyLayers } from './early-layers.ts';
import type { ImageIndex } from './image-index.ts';
import type { Image, ProgressEvent, PullOptions } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';

export interface PullParts {
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly layerBlobs: Pick<LayerBlobs, 'pulled' | 'seenIn'>;
  readonly fetcher: ImageFetcher;
  readonly index: Pick<ImageIndex, 'add' | 'find'>;
  /** Bytes that a layer may unpack to. */
  readonly layerLimit: () => number;
}

/**
 * Pulls an image: layers are unpacked while others still come in. The row appears last. Run it under a lease.
 */
export async function pullImage(
  reference: Reference,
  options: PullOptions,
  parts: PullParts,
): Promise<Image> {
  const { content, snapshotter, fetcher, index } = parts;
  const ref = withDefaultTag(reference);
  // The first layer that fails ends the others, and its error is the pull's.
  const failure = new AbortController();
  const early = new EarlyLayers(snapshotter, parts.layerLimit);
  const fetched = await fetcher.fetchImage(
    ref,
    {
      ...(options.platform ? { platform: parsePlatform(options.platform) } : {}),
      ...(options.auth === undefined ? {} : { auth: options.auth }),
      report: options.report,
      signal: AbortSignal.any([options.signal, failure.signal]),
      skipLayer: (diffId) => snapshotter.hasLayer(diffId),
      hasImage: (id) => index.find(id) !== undefined,
      tapFor: (diffId, size) => early.tapFor(diffId, size),
    },
    content,
  );
  const stored = fetched.layers.map((layer) => storeLayer(layer, early, parts, options.report));
  for (const one of stored) one.catch((error: unknown) => failure.abort(error));
  // Nothing may write into the store after the lease has ended.
  await Promise.allSettled([...stored, fetched.done]);
  await early.cancel();
  if (failure.signal.aborted) throw failure.signal.reason;
  await fetched.done;
  const size = (await Promise.all(stored)).reduce((sum, one) => sum + one, 0);
  // Also layers that were there: their blobs are in that repository, for a push that wants to mount them.
  parts.layerBlobs.pulled(fetched.layers);
  parts.layerBlobs.seenIn(
    canonicalName(ref),
    fetched.layers.map(({ descriptor }) => descriptor.digest),
  );
  const name = canonicalString(ref);
  const id = fetched.manifest.config.digest;
  const before = index.find(name);
  const image = index.add({
    id,
    configText: Buffer.from(fetched.configBytes).toString('utf8'),
    size,
    parent: '',
    blobs: blobsOf(fetched),
    tags: ref.digest === undefined ? [name] : [],
    digests: [canonicalString(withDigest(ref, fetched.digest))],
  });
  options.report({ status: `Digest: ${fetched.digest}` });
  const words = before?.id === id ? 'Image is up to date for' : 'Downloaded newer image for';
  options.report({ status: `Status: ${words} ${familiarString(ref)}` });
  return image;
}

function blobsOf(fetched: FetchedImage): string[] {
  return [
    ...fetched.documents.map((document) => document.digest),
    fetched.manifest.config.digest,
    ...fetched.layers.map((layer) => layer.descriptor.digest),
  ];
}

/** Waits for a layer's blob, unpacks it and returns the size of its files in bytes. */
async function storeLayer(
  layer: FetchedLayer,
  early: EarlyLayers,
  parts: PullParts,
  report: (event: ProgressEvent) => void,
): Promise<number> {
  const { content, snapshotter } = parts;
  await layer.ready;
  const known = snapshotter.layer(layer.diffId);
  if (known !== undefined) return known.size;
  const id = shortDigest(layer.descriptor.digest);
  const total = layer.descriptor.size;
  report({ id, status: 'Extracting', current: 0, total });
  const unpacked = await early.stored(layer.diffId);
  const info =
    unpacked ??
    (await snapshotter.applyLayer(layer.diffId, {
      packed: content.path(layer.descriptor.digest),
      limit: { maxBytes: parts.layerLimit(), compressedSize: total },
      report: (current) => report({ id, status: 'Extracting', current, total }),
    }));
  report({ id, status: 'Pull complete' });
  return info.size;
}
