import { isKind, messageOf } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import { Breath } from '../../base/streams.ts';
import type { ContentStore } from '../../content/content.ts';
import { createDigester, digestOf, parseDigest } from '../../oci/digest.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Leases } from '../leases/leases.ts';
import type { Fault, OnProgress } from './check.ts';
import type { ImageCollector } from './image-collector.ts';
import type { ImageIndex } from './image-index.ts';
import { ImageRepair } from './image-repair.ts';
import type { Image } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';
import { layerDigests } from './layer-digests.ts';

/** What checking images takes. */
export interface ImageCheckParts {
  readonly index: ImageIndex;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly layerBlobs: LayerBlobs;
  readonly leases: Pick<Leases, 'hold' | 'isHeld' | 'isKept'>;
  readonly collector: Pick<ImageCollector, 'collect' | 'needsLayer' | 'needsBlob'>;
  /** Bytes that a layer may unpack to. */
  readonly layerLimit: () => number;
  /** Names of the containers that stand on a layer. */
  readonly containersOn: (diffId: string) => readonly string[];
}

/**
 * Checks images, blobs and layers. Bounded in memory: content is hashed as it is read. What changes meanwhile is no
 * fault: a thing is looked at again before anything is said of it.
 */
export class ImageCheck {
  readonly #parts: ImageCheckParts;
  readonly #repair: ImageRepair;

  constructor(parts: ImageCheckParts) {
    this.#parts = parts;
    this.#repair = new ImageRepair(parts);
  }

  async *faults(onProgress: OnProgress): AsyncGenerator<Fault> {
    yield* this.#checkRows(onProgress);
    yield* this.#checkBlobs(onProgress);
    yield* this.#checkLayers(onProgress);
  }

  async *#checkRows(onProgress: OnProgress): AsyncGenerator<Fault> {
    const { index, snapshotter } = this.#parts;
    const images = index.list();
    const missing = new Set<string>();
    for (const [done, image] of images.entries()) {
      onProgress({ phase: 'rows', done, total: images.length });
      if (index.find(image.id) === undefined) continue;
      if (digestOf(index.configText(image.id)) !== image.id) {
        yield {
          kind: 'image',
          id: image.id,
          problem: 'the configuration in its row has another digest',
          affects: [nameOf(image)],
          advice: pullAdvice([image]),
          repair: () => this.#repair.removeImages([image]),
        };
        continue;
      }
      yield* this.#checkDocuments(image);
      for (const diffId of image.config.rootfs.diff_ids) {
        if (!snapshotter.hasLayer(diffId) && index.find(image.id) !== undefined) missing.add(diffId);
      }
    }
    for (const diffId of missing) yield this.#layerFault(diffId, 'the layer is missing');
    for (const name of index.namesWithoutImage()) {
      yield {
        kind: 'image',
        id: name,
        problem: 'the name stands for an image that has no row',
        affects: [],
        advice: `pull ${name} again`,
        repair: async () => {
          index.remove([name]);
          return 'the name was removed';
        },
      };
    }
  }

  /** The config and the manifests; of the layers' compressed forms only those are needed that nothing else gives. */
  async *#checkDocuments(image: Image): AsyncGenerator<Fault> {
    const { index, content } = this.#parts;
    const blobs = new Set([image.id, ...index.blobsOf(image.id)]);
    const gone = [...blobs].filter((digest) => content.size(digest) === undefined);
    if (gone.length === 0) return;
    const forms = await layerDigests(blobs, content);
    const missing = gone.filter((digest) => !forms.has(digest));
    if (missing.length === 0 || index.find(image.id) === undefined) return;
    yield {
      kind: 'image',
      id: image.id,
      problem: `blobs are missing: ${missing.join(' ')}`,
      affects: [nameOf(image)],
      advice: `it can still be run; ${pullAdvice([image])} to push it with its original digest`,
      repair: () => this.#repair.restoreDocuments(image, missing),
    };
  }

  async *#checkBlobs(onProgress: OnProgress): AsyncGenerator<Fault> {
    const { content, leases, collector } = this.#parts;
    const blobs = await Array.fromAsync(content.list());
    const total = blobs.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    for (const { digest, size } of blobs) {
      onProgress({ phase: 'blobs', done, total });
      if (!collector.needsBlob(digest)) {
        if (!leases.isHeld(digest) && !leases.isKept(digest) && content.size(digest) !== undefined) {
          yield this.#unused('blob', digest, size);
        }
      } else {
        const problem = await this.#damage(
          digest,
          () => content.stream(digest),
          (read) => {
            onProgress({ phase: 'blobs', done: done + read, total });
          },
        );
        if (problem !== undefined && content.size(digest) !== undefined && collector.needsBlob(digest)) {
          yield this.#blobFault(digest, problem);
        }
      }
      done += size;
    }
    onProgress({ phase: 'blobs', done: total, total });
  }

  async *#checkLayers(onProgress: OnProgress): AsyncGenerator<Fault> {
    const { snapshotter, leases, collector } = this.#parts;
    const layers = snapshotter.listLayers();
    const total = layers.reduce((sum, { tarSize }) => sum + tarSize, 0);
    let done = 0;
    for (const { diffId, tarSize } of layers) {
      onProgress({ phase: 'layers', done, total });
      if (!collector.needsLayer(diffId)) {
        if (!leases.isHeld(diffId) && !leases.isKept(diffId) && snapshotter.hasLayer(diffId)) {
          yield this.#unused('layer', diffId, tarSize);
        }
      } else {
        const problem =
          (await this.#damage(
            diffId,
            () => snapshotter.layerTar(diffId),
            (read) => {
              onProgress({ phase: 'layers', done: done + read, total });
            },
          )) ?? (await this.#unreadable(diffId));
        if (problem !== undefined && snapshotter.hasLayer(diffId) && collector.needsLayer(diffId)) {
          yield this.#layerFault(diffId, problem);
        }
      }
      done += tarSize;
    }
    onProgress({ phase: 'layers', done: total, total });
  }

  /** What is wrong with content of this digest; undefined: nothing. */
  async #damage(
    digest: string,
    open: () => ReadableStream<Uint8Array>,
    onRead: (bytes: number) => void,
  ): Promise<string | undefined> {
    const breath = new Breath();
    try {
      const digester = createDigester(parseDigest(digest).algorithm);
      let read = 0;
      for await (const chunk of open()) {
        digester.update(chunk);
        read += chunk.byteLength;
        onRead(read);
        if (breath.due) await breath.take();
      }
      const found = digester.digest();
      return found === digest ? undefined : `its content has the digest ${found} (${read} bytes)`;
    } catch (error) {
      return `it cannot be read: ${messageOf(error)}`;
    }
  }

  async #unreadable(diffId: string): Promise<string | undefined> {
    const { snapshotter } = this.#parts;
    try {
      await snapshotter.verifyLayer?.(diffId);
      return undefined;
    } catch (error) {
      // Of a layer that was removed meanwhile the caller says nothing.
      if (isKind(error, 'corrupt', 'not-found') || !snapshotter.hasLayer(diffId)) return messageOf(error);
      throw error;
    }
  }

  #unused(what: 'blob' | 'layer', digest: string, size: number): Fault {
    return {
      kind: 'unused',
      id: digest,
      problem: `no image, container or running operation needs this ${what} (${size} bytes)`,
      affects: [],
      advice: 'prune or --repair removes it',
      repair: async () => {
        await this.#parts.collector.collect();
        return 'removed';
      },
    };
  }

  #blobFault(digest: string, problem: string): Fault {
    const { index, content } = this.#parts;
    const images = index
      .list()
      .filter((image) => image.id === digest || index.blobsOf(image.id).includes(digest));
    return {
      kind: 'blob',
      id: digest,
      problem,
      affects: images.map(nameOf),
      advice: pullAdvice(images),
      repair: async () => {
        await content.remove(digest);
        return await this.#repair.withoutBlob(digest, images);
      },
    };
  }

  #layerFault(diffId: string, problem: string): Fault {
    const { index, containersOn } = this.#parts;
    const images = index.list().filter((image) => image.config.rootfs.diff_ids.includes(diffId));
    const containers = containersOn(diffId);
    return {
      kind: 'layer',
      id: diffId,
      problem,
      affects: [...images.map(nameOf), ...containers.map((name) => `container ${name}`)],
      advice:
        containers.length > 0
          ? `save what you need out of ${containers.join(', ')} (cp, export), remove the container, then repair`
          : pullAdvice(images),
      repair: () => this.#repair.layer(diffId, images),
    };
  }
}

/** `image busybox:latest`. */
export function nameOf(image: Image): string {
  return `image ${image.repoTags[0] ?? image.repoDigests[0] ?? shortId(image.id)}`;
}

/** Where to get images again. */
export function pullAdvice(images: readonly Image[]): string {
  const names = images.flatMap((image) => image.repoTags[0] ?? image.repoDigests[0] ?? []);
  if (names.length === 0) return 'build or load the image again';
  return `pull again: ${names.join(', ')} (or build or load it, if it was made here)`;
}
