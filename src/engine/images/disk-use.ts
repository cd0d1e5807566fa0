import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Image } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';

/** What layers take on the disk, in two truths. */
export interface DiskUse {
  /** Bytes of trees: the tars and their indexes, or the extracted files. */
  readonly trees: number;
  /** Bytes of compressed forms that are kept beside them. */
  readonly compressed: number;
}

/** Of all layers, each once, and of each image's own and shared ones, by image id. */
export interface ImageDiskUse extends DiskUse {
  readonly byImage: ReadonlyMap<string, DiskUse>;
}

/** Measures layers on the disk; a layer never changes, so each is measured once. */
export class LayerDiskUse {
  readonly #snapshotter: Pick<Snapshotter, 'listLayers' | 'layerDiskSize'>;
  readonly #layerBlobs: Pick<LayerBlobs, 'forms'>;
  readonly #trees = new Map<string, number>();

  constructor(
    snapshotter: Pick<Snapshotter, 'listLayers' | 'layerDiskSize'>,
    layerBlobs: Pick<LayerBlobs, 'forms'>,
  ) {
    this.#snapshotter = snapshotter;
    this.#layerBlobs = layerBlobs;
  }

  async measure(images: readonly Image[]): Promise<ImageDiskUse> {
    const byLayer = new Map<string, DiskUse>();
    for (const { diffId } of this.#snapshotter.listLayers()) byLayer.set(diffId, await this.#layer(diffId));
    for (const diffId of this.#trees.keys()) if (!byLayer.has(diffId)) this.#trees.delete(diffId);
    const byImage = new Map(
      images.map(({ id, config }) => {
        const diffIds = new Set(config.rootfs.diff_ids);
        return [id, sum([...diffIds].flatMap((diffId) => byLayer.get(diffId) ?? []))];
      }),
    );
    return { ...sum([...byLayer.values()]), byImage };
  }

  async #layer(diffId: string): Promise<DiskUse> {
    const trees = this.#trees.get(diffId) ?? (await this.#snapshotter.layerDiskSize(diffId));
    this.#trees.set(diffId, trees);
    const kept = this.#layerBlobs.forms(diffId).filter(({ from }) => from === 'content');
    return { trees, compressed: kept.reduce((total, { descriptor }) => total + descriptor.size, 0) };
  }
}

function sum(uses: readonly DiskUse[]): DiskUse {
  return uses.reduce(
    (total, { trees, compressed }) => ({
      trees: total.trees + trees,
      compressed: total.compressed + compressed,
    }),
    { trees: 0, compressed: 0 },
  );
}
