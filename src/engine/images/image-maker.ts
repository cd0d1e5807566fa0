import { decompressedWithin } from '../../archive/unpack-limit.ts';
import { TareError } from '../../base/errors.ts';
import { streamOf } from '../../base/streams.ts';
import type { ContentStore } from '../../content/content.ts';
import type { ImageConfigFile, ImageHistory } from '../../oci/image-config.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { hostPlatform, parsePlatform } from '../../oci/platform.ts';
import { canonicalString, familiarName, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import { applyChanges } from './changes.ts';
import type { ImageIndex } from './image-index.ts';
import type { CreateImage, Image, ImportOptions } from './images.ts';

/** What making images takes. */
export interface ImageMakerParts {
  readonly index: ImageIndex;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  /** Bytes that a layer may unpack to. */
  readonly layerLimit: () => number;
}

/** Makes images out of layers and configs: for commit, import and builds. The row is the last thing that appears. */
export class ImageMaker {
  readonly #parts: ImageMakerParts;

  constructor(parts: ImageMakerParts) {
    this.#parts = parts;
  }

  /** A flat image of one root file system tar, plain or compressed. */
  async import(tar: ReadableStream<Uint8Array>, options: ImportOptions): Promise<Image> {
    const tags = options.reference === '' ? [] : [tagOf(options.reference)];
    const run = applyChanges({}, options.changes);
    const platform = options.platform ? parsePlatform(options.platform) : hostPlatform();
    if (platform.os !== 'linux') throw new TareError('invalid', 'operating system is not supported');
    const plain = decompressedWithin(tar, { maxBytes: this.#parts.layerLimit() });
    const layer = await this.#parts.snapshotter.applyLayer(undefined, streamOf(plain));
    const created = new Date().toISOString();
    return await this.#store(
      {
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.variant && { variant: platform.variant }),
        created,
        config: run,
        comment: options.message,
        rootfs: { type: 'layers', diff_ids: [layer.diffId] },
        history: [{ created, comment: options.message }],
      },
      { size: layer.size, parent: '', tags },
    );
  }

  /** A base's layers and one more. */
  async create(request: CreateImage): Promise<Image> {
    const { index, snapshotter } = this.#parts;
    const tags = request.reference === undefined ? [] : [tagOf(request.reference)];
    const base = request.base === undefined ? undefined : index.get(request.base);
    const below = base?.config.rootfs.diff_ids ?? [];
    // Asked first of all: from now on they are held.
    const missing = below.filter((diffId) => !snapshotter.hasLayer(diffId))[0];
    if (missing !== undefined) {
      throw new TareError('corrupt', `the layer ${missing} of ${base?.id} is missing: pull the image again`);
    }
    const layer = request.layer && (await snapshotter.applyLayer(undefined, request.layer));
    const { createdBy, author, comment } = request.history;
    const step: ImageHistory = {
      ...(request.config.created !== undefined && { created: request.config.created }),
      ...(createdBy !== '' && { created_by: createdBy }),
      ...(author !== '' && { author }),
      ...(comment !== '' && { comment }),
      ...(!layer && { empty_layer: true }),
    };
    return await this.#store(
      {
        ...request.config,
        rootfs: { type: 'layers', diff_ids: layer ? [...below, layer.diffId] : below },
        history: [...(base?.config.history ?? []), step],
      },
      { size: (base?.size ?? 0) + (layer?.size ?? 0), parent: base?.id ?? '', tags },
    );
  }

  /** Of layers that are here. */
  async assemble(config: ImageConfigFile, parent: string): Promise<Image> {
    const { snapshotter } = this.#parts;
    let size = 0;
    for (const diffId of config.rootfs.diff_ids) {
      const layer = snapshotter.layer(diffId);
      if (!layer)
        throw new TareError('corrupt', `the layer ${diffId} is missing: build again with --no-cache`);
      size += layer.size;
    }
    return await this.#store(config, { size, parent, tags: [] });
  }

  async #store(
    config: ImageConfigFile,
    image: { size: number; parent: string; tags: readonly string[] },
  ): Promise<Image> {
    const { content, index } = this.#parts;
    const configText = JSON.stringify(config);
    const { digest } = await content.put(MEDIA_TYPES.dockerConfig, Buffer.from(configText));
    return index.add({ id: digest, configText, blobs: [], digests: [], ...image });
  }
}

/** The canonical name of a tag that a user gave. Throws `invalid` for a name that reads like a digest. */
export function tagOf(reference: string): string {
  const ref = withDefaultTag(parseReference(reference));
  if (familiarName(ref) === 'sha256') {
    throw new TareError('invalid', 'refusing to create an ambiguous tag using digest algorithm as name');
  }
  return canonicalString(ref);
}
