import { TareError } from '../../base/errors.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Platform } from '../../oci/descriptor.ts';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA_TYPES, runnableLayers } from '../../oci/manifest.ts';
import { parseImageConfig } from '../../oci/parse-image-config.ts';
import { formatPlatform, matchesPlatform } from '../../oci/platform.ts';
import { canonicalString, familiarString, parseReference, withDigest } from '../../oci/reference.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import {
  type ArchivedImage,
  type ArchivedManifest,
  blobPath,
  imagesOfArchive,
  ociManifests,
} from './archive-images.ts';
import { type ArchiveContents, type ArchiveReaderParts, follow, readArchive } from './archive-reader.ts';
import type { ImageIndex, NewImage } from './image-index.ts';
import type { LayerBlobs } from './layer-blobs.ts';

export interface LoadParts extends ArchiveReaderParts {
  readonly content: Pick<ContentStore, 'ingest' | 'put' | 'size'>;
  readonly snapshotter: Snapshotter;
  readonly layerBlobs: Pick<LayerBlobs, 'find' | 'pulled'>;
  readonly index: Pick<ImageIndex, 'add' | 'find'>;
}

/**
 * Reads a docker-archive or an OCI layout (or both in one, as `docker save` writes), plain or compressed, as a
 * stream: members may come in any order, so each layer is stored when it comes, before anything says what it
 * is. Rows appear at the end, when everything was checked; a broken archive changes nothing, and the layers that
 * it brought are collected as garbage when the caller's lease ends. `platforms`: only images for one of these.
 * Returns familiar names or ids.
 */
export async function loadImages(
  tar: ReadableStream<Uint8Array>,
  platforms: readonly Platform[],
  parts: LoadParts,
): Promise<string[]> {
  const contents = await readArchive(tar, parts);
  const images = imagesOfArchive(contents.documents, platforms);
  const prepared = images
    .map((image) => prepare(image, contents, parts.snapshotter))
    .filter(
      ({ platform }) => platforms.length === 0 || platforms.some((one) => matchesPlatform(platform, one)),
    );
  if (prepared.length === 0 && images.length > 0) {
    throw new TareError(
      'not-found',
      `the archive has no image for the platform ${platforms.map(formatPlatform).join(', ')}`,
    );
  }
  const manifests = ociManifests(contents.documents, platforms);
  const names: string[] = [];
  for (const { configBytes } of prepared) await parts.content.put(MEDIA_TYPES.dockerConfig, configBytes);
  for (const one of prepared) {
    const { image, id, configText, size } = one;
    const manifest = manifests.find((candidate) => candidate.manifest.config.digest === id);
    const kept = manifest && (await keepManifest(manifest, image.tags, contents, parts));
    for (const tag of image.tags) {
      const before = parts.index.find(tag);
      if (before === undefined || before.id === id) continue;
      const name = familiarString(parseReference(tag));
      const words = `already exists, renaming the old one with ID ${before.id} to empty string`;
      parts.report({ stream: `The image ${name} ${words}\n` });
    }
    parts.index.add({
      id,
      configText,
      size,
      parent: '',
      tags: image.tags,
      blobs: kept?.blobs ?? [],
      digests: kept?.digests ?? [],
    });
    names.push(
      ...(image.tags.length > 0 ? image.tags.map((tag) => familiarString(parseReference(tag))) : [id]),
    );
  }
  return names;
}

/**
 * Keeps a manifest of an OCI layout and the blobs it names, so that a push gives the registry the same digests.
 * Undefined when its layers are plain tars: those are better compressed for a push.
 */
async function keepManifest(
  { manifest, path }: ArchivedManifest,
  tags: readonly string[],
  contents: ArchiveContents,
  { content, layerBlobs }: LoadParts,
): Promise<Pick<NewImage, 'blobs' | 'digests'> | undefined> {
  const forms = runnableLayers(manifest).map((descriptor) => ({
    descriptor,
    diffId: contents.layers.get(blobPath(descriptor.digest)) ?? '',
  }));
  const compressed = forms.filter(({ descriptor, diffId }) => descriptor.digest !== diffId);
  const complete = compressed.every(
    ({ descriptor: { digest } }) =>
      content.size(digest) !== undefined || layerBlobs.find(digest) !== undefined,
  );
  if (compressed.length === 0 || !complete) return undefined;
  for (const digest of path) {
    const bytes = contents.documents.get(blobPath(digest));
    if (bytes === undefined) return undefined;
    await content.put(manifest.mediaType, bytes);
  }
  layerBlobs.pulled(compressed);
  const target = path[0] ?? '';
  return {
    blobs: [...path, manifest.config.digest, ...compressed.map(({ descriptor }) => descriptor.digest)],
    digests: tags.map((tag) => canonicalString(withDigest(parseReference(tag), target))),
  };
}

interface PreparedImage {
  readonly image: ArchivedImage;
  readonly id: string;
  readonly platform: Platform;
  readonly configBytes: Uint8Array;
  readonly configText: string;
  readonly size: number;
}

/** Checks that an image's config and layers are there and fit together. Throws `corrupt`. */
function prepare(image: ArchivedImage, contents: ArchiveContents, snapshotter: Snapshotter): PreparedImage {
  const configBytes = contents.documents.get(follow(image.config, contents.links));
  if (configBytes === undefined) {
    throw new TareError('corrupt', `invalid archive: the config ${image.config} is missing`);
  }
  const config = parseImageConfig(configBytes);
  const { diff_ids: diffIds } = config.rootfs;
  if (image.layers.length !== diffIds.length) {
    throw new TareError(
      'corrupt',
      `invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${image.layers.length}`,
    );
  }
  let size = 0;
  for (const [i, path] of image.layers.entries()) {
    const member = follow(path, contents.links);
    const diffId = contents.layers.get(member);
    if (diffId === undefined) {
      const failure = contents.failures.get(member);
      if (failure !== undefined) throw failure;
      throw new TareError('corrupt', `invalid archive: the layer ${path} is missing`);
    }
    if (diffId !== diffIds[i]) {
      throw new TareError(
        'corrupt',
        `invalid diffID for layer ${i}: expected "${diffIds[i]}", got "${diffId}"`,
      );
    }
    size += snapshotter.layer(diffId)?.size ?? 0;
  }
  const configText = Buffer.from(configBytes).toString('utf8');
  const { os, architecture, variant } = config;
  const platform = { os, architecture, ...(variant ? { variant } : {}) };
  return { image, id: digestOf(configBytes), platform, configBytes, configText, size };
}
