import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Leases } from '../leases/leases.ts';
import type { ImageIndex } from './image-index.ts';
import type { LayerBlobs } from './layer-blobs.ts';

/** What collecting garbage takes. */
export interface ImageCollectorParts {
  readonly index: Pick<ImageIndex, 'list' | 'blobs' | 'revision'>;
  readonly content: Pick<ContentStore, 'list' | 'remove'>;
  readonly snapshotter: Pick<Snapshotter, 'listLayers' | 'removeLayer' | 'hasLayer'>;
  readonly layerBlobs: Pick<LayerBlobs, 'retain'>;
  readonly leases: Pick<Leases, 'holds' | 'holdsLayer'>;
  /** Diff ids that containers stand on. */
  readonly layersInUse: () => Iterable<string>;
  readonly log: Logger;
}

/** What the metadata names. */
interface Marks {
  readonly revision: number;
  readonly layers: ReadonlySet<string>;
  readonly blobs: ReadonlySet<string>;
}

/**
 * Removes layers and blobs that no image, no container and no lease needs. It works while others pull and remove:
 * each thing is looked at again in the step that removes it, for its image may have come since.
 */
export class ImageCollector {
  readonly #parts: ImageCollectorParts;
  readonly #turn = new KeyedMutex();
  #known: Marks | undefined;

  constructor(parts: ImageCollectorParts) {
    this.#parts = parts;
  }

  /** Returns the diff ids that went. Collections run one after another. */
  collect(): Promise<string[]> {
    return this.#turn.run('', () => this.#sweep());
  }

  async #sweep(): Promise<string[]> {
    const { content, snapshotter, layerBlobs, leases } = this.#parts;
    const removed: string[] = [];
    for (const { diffId } of snapshotter.listLayers()) {
      if (this.needsLayer(diffId) || leases.holdsLayer(diffId)) continue;
      await this.#try('a layer', diffId, async () => {
        await snapshotter.removeLayer(diffId);
        removed.push(diffId);
      });
    }
    for await (const { digest } of content.list()) {
      if (this.needsBlob(digest) || leases.holds(digest)) continue;
      await this.#try('a blob', digest, () => content.remove(digest));
    }
    // Of a layer that is lost but needed, a form may be all that is left.
    layerBlobs.retain((diffId) => snapshotter.hasLayer(diffId) || this.needsLayer(diffId));
    return removed;
  }

  async #try(what: string, digest: string, remove: () => Promise<void>): Promise<void> {
    try {
      await remove();
    } catch (error) {
      this.#parts.log.warn(`removing ${what}; the next collection tries again`, {
        digest,
        error: messageOf(error),
      });
    }
  }

  /** Whether an image or a container needs a layer. */
  needsLayer(diffId: string): boolean {
    if (this.#marks().layers.has(diffId)) return true;
    for (const used of this.#parts.layersInUse()) if (used === diffId) return true;
    return false;
  }

  /** Whether an image needs a blob. */
  needsBlob(digest: string): boolean {
    return this.#marks().blobs.has(digest);
  }

  #marks(): Marks {
    const { index } = this.#parts;
    const { revision } = index;
    if (this.#known?.revision !== revision) {
      const layers = new Set(index.list().flatMap((image) => image.config.rootfs.diff_ids));
      this.#known = { revision, layers, blobs: new Set(index.blobs()) };
    }
    return this.#known;
  }
}
