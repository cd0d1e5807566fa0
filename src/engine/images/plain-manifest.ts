import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Image } from './images.ts';

/** A manifest with the bytes it names. */
export interface PlainManifest {
  readonly descriptor: Descriptor;
  readonly text: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/**
 * The manifest of an image with its layers as plain tars: what `save` writes, and what stands for an image that has
 * not been pulled, pushed or loaded with another. Undefined when a layer is missing.
 */
export function plainManifest(
  image: Image,
  configText: string,
  snapshotter: Pick<Snapshotter, 'layer'>,
): PlainManifest | undefined {
  const layers: Descriptor[] = [];
  for (const digest of image.config.rootfs.diff_ids) {
    const layer = snapshotter.layer(digest);
    if (layer === undefined) return undefined;
    layers.push({ mediaType: MEDIA_TYPES.ociLayer, digest, size: layer.tarSize });
  }
  const config = describeText(MEDIA_TYPES.ociConfig, configText);
  const mediaType = MEDIA_TYPES.ociManifest;
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
  return { descriptor: describeText(mediaType, text), text, config, layers };
}

function describeText(mediaType: string, text: string): Descriptor {
  const bytes = Buffer.from(text);
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}
