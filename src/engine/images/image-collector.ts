import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Leases } from '../leases/leases.ts';
import type { ImageIndex } from './image-index.ts';
import type { LayerBlobs } from './layer-blobs.ts';

/** What collecting garbage takes. */
export interface ImageCollectorParts {
  readonly index: ImageIndex;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly layerBlobs: Pick<LayerBlobs, 'retain'>;
  readonly leases: Leases;
  /** Diff ids that containers stand on. */
  readonly layersInUse: () => Iterable<string>;
  readonly log: Logger;
}

/** Removes layers and blobs that no image and no container needs: marks from the metadata, sweeps the stores. */
export class ImageCollector {
  readonly #parts: ImageCollectorParts;

  constructor(parts: ImageCollectorParts) {
    this.#parts = parts;
  }

  /** Runs when nothing is being made. Returns the diff ids that went. */
  async collect(): Promise<string[]> {
    const removed: string[] = [];
    await this.#parts.leases.whenIdle(async () => {
      removed.push(...(await this.#sweep()));
    });
    return removed;
  }

  async #sweep(): Promise<string[]> {
    const { index, content, snapshotter, layerBlobs, layersInUse, log } = this.#parts;
    const layers = new Set(layersInUse());
    for (const image of index.list()) for (const diffId of image.config.rootfs.diff_ids) layers.add(diffId);
    const removed: string[] = [];
    for (const { diffId } of snapshotter.listLayers()) {
      if (layers.has(diffId)) continue;
      try {
        await snapshotter.removeLayer(diffId);
        removed.push(diffId);
      } catch (error) {
        log.warn('removing a layer', { layer: diffId, error: messageOf(error) });
      }
    }
    const blobs = new Set(index.blobs());
    for await (const { digest } of content.list()) {
      if (!blobs.has(digest)) await content.remove(digest);
    }
    layerBlobs.retain((diffId) => snapshotter.hasLayer(diffId));
    return removed;
  }
}
