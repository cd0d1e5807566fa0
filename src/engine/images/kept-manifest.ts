import type { ContentStore } from '../../content/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { layerCompression, parseManifest } from '../../oci/manifest.ts';
import { canonicalName, parseReference, type Reference } from '../../oci/reference.ts';
import type { ImageIndex } from './image-index.ts';
import { platformOf } from './image-manifests.ts';
import type { Image } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';
import { type ImageDocument, planPush } from './push-plan.ts';

/** The manifest that an image was pulled or loaded with, all of it here. */
export interface KeptManifest {
  /** What an `index.json` names: the index that the image was found in if that is here, else the manifest. */
  readonly target: Descriptor;
  /** The manifest, and the index above it. */
  readonly documents: readonly ImageDocument[];
  /** By diff id; a plain layer's descriptor has the same digest. */
  readonly layers: ReadonlyMap<string, Descriptor>;
}

export interface KeptManifestParts {
  readonly content: ContentStore;
  readonly layerBlobs: Pick<LayerBlobs, 'find'>;
  readonly index: Pick<ImageIndex, 'blobsOf'>;
}

/**
 * The manifest to save an image with, so that a load elsewhere gives it the same digest. Undefined when its bytes are
 * not all on the disk (what would have to be compressed again is faster saved plain), and for zstd layers, which
 * old readers of a docker-archive do not know. `tags` are the names it is saved with. Hold the image's blobs before.
 */
export async function keptManifest(
  image: Image,
  tags: readonly Reference[],
  { content, layerBlobs, index }: KeptManifestParts,
): Promise<KeptManifest | undefined> {
  const onDisk: Pick<LayerBlobs, 'find'> = {
    find: (digest) => {
      const form = layerBlobs.find(digest);
      return form?.from === 'recipe' ? undefined : form;
    },
  };
  // With a platform it is one manifest, and never an index with other images in it.
  const wanted = { repository: tags[0] ? canonicalName(tags[0]) : '', platform: platformOf(image) };
  const plan = await planPush(image, wanted, { content, layerBlobs: onDisk, index });
  const [manifest] = plan.documents;
  if (manifest === undefined || plan.documents.length !== 1) return undefined;
  const layers = new Map<string, Descriptor>();
  for (const { diffId, blob } of plan.layers) {
    if (blob === undefined || !['gzip', 'none'].includes(layerCompression(blob.mediaType) ?? ''))
      return undefined;
    layers.set(diffId, blob);
  }
  if (!image.config.rootfs.diff_ids.every((diffId) => layers.has(diffId))) return undefined;
  const above = await indexAbove(image, manifest.digest, content);
  const top = above ?? manifest;
  return {
    target: { mediaType: top.mediaType, digest: top.digest, size: top.bytes.byteLength },
    documents: above === undefined ? [manifest] : [manifest, above],
    layers,
  };
}

/** The index that one of the image's digest names means, if it names the manifest. */
async function indexAbove(
  image: Image,
  manifest: string,
  content: ContentStore,
): Promise<ImageDocument | undefined> {
  for (const name of image.repoDigests) {
    const { digest } = parseReference(name);
    if (digest === undefined || digest === manifest || content.size(digest) === undefined) continue;
    const bytes = await content.read(digest);
    const parsed = parseManifest(bytes);
    if (parsed.kind !== 'index' || !parsed.index.manifests.some((entry) => entry.digest === manifest))
      continue;
    return { digest, mediaType: parsed.index.mediaType, bytes };
  }
  return undefined;
}
