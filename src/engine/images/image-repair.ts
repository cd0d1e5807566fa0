import { isKind } from '../../base/errors.ts';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import type { ImageCheckParts } from './image-check.ts';
import type { Image } from './images.ts';
import { layerDigests } from './layer-digests.ts';

type Parts = Pick<
  ImageCheckParts,
  'index' | 'content' | 'snapshotter' | 'layerBlobs' | 'leases' | 'containersOn' | 'collector' | 'layerLimit'
>;

/** What `system check --repair` does about images. Each repair leaves a store that is whole or better than before. */
export class ImageRepair {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A layer that is damaged or missing: made again from its compressed form, else its images go. */
  async layer(diffId: string, images: readonly Image[]): Promise<string | undefined> {
    const { snapshotter, containersOn, leases } = this.#parts;
    // Its files may be mounted right now.
    if (containersOn(diffId).length > 0) return undefined;
    return await leases.hold(async (lease) => {
      lease.hold(diffId);
      const form = this.#parts.layerBlobs.forms(diffId).find(({ from }) => from === 'content');
      await snapshotter.removeLayer(diffId);
      if (form !== undefined && (await this.#restored(diffId, form.descriptor.digest))) {
        return 'made again from its compressed form';
      }
      return await this.removeImages(images);
    });
  }

  async #restored(diffId: string, digest: string): Promise<boolean> {
    const { content, snapshotter, layerLimit } = this.#parts;
    try {
      const limit = { maxBytes: layerLimit(), compressedSize: content.size(digest) ?? 0 };
      await snapshotter.applyLayer(diffId, { packed: content.path(digest), limit });
      return true;
    } catch (error) {
      if (isKind(error, 'corrupt', 'invalid', 'not-found')) return false;
      throw error;
    }
  }

  /** Removes the rows of images, for them to be pulled again. */
  async removeImages(images: readonly Image[]): Promise<string> {
    const { index, collector } = this.#parts;
    for (const { id } of images) {
      if (index.find(id) === undefined) continue;
      index.remove(
        index.namesOf(id).map(({ name }) => name),
        id,
      );
    }
    await collector.collect();
    return 'the image was removed, so that it can be pulled again';
  }

  /** After a damaged blob was removed: the config is in the row, a layer's form can be made, a manifest is lost. */
  async withoutBlob(digest: string, images: readonly Image[]): Promise<string> {
    const { layerBlobs, snapshotter, collector } = this.#parts;
    layerBlobs.retain((diffId) => snapshotter.hasLayer(diffId) || collector.needsLayer(diffId));
    const done: string[] = [];
    for (const image of images) {
      if (image.id === digest || !(await this.#isForm(digest, image))) {
        done.push(await this.restoreDocuments(image, [digest]));
      }
    }
    return done[0] ?? 'the compressed form of the layer was removed; the layer itself is whole';
  }

  async #isForm(digest: string, image: Image): Promise<boolean> {
    const { index, content } = this.#parts;
    return (await layerDigests(index.blobsOf(image.id), content)).has(digest);
  }

  /** Writes the config again from the row, and forgets manifests that are lost. */
  async restoreDocuments(image: Image, missing: readonly string[]): Promise<string> {
    const { index, content } = this.#parts;
    const text = index.configText(image.id);
    if (missing.includes(image.id) && digestOf(text) === image.id) {
      await content.put(MEDIA_TYPES.dockerConfig, Buffer.from(text));
    }
    const lost = missing.filter((digest) => digest !== image.id);
    if (lost.length === 0) return 'the configuration was written again';
    index.forgetBlobs(image.id, lost);
    return 'what is lost was taken out of the row; the image can be run, and gets a new digest when pushed';
  }
}
