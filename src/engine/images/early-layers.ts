import { availableParallelism } from 'node:os';
import type { BlobTap } from '../../registry-client/registry-client.ts';
import type { LayerInfo, Snapshotter } from '../../snapshots/snapshots.ts';

/** Bytes of a blob that may wait for being unpacked. */
const AHEAD = 1024 * 1024;

/**
 * Unpacks layers of one pull while their blobs still come in, as many at once as there are processors; the others
 * are read from the store when they are whole. What goes wrong here is no error: the layer is then read from the
 * store too, and that tells what is wrong with it.
 */
export class EarlyLayers {
  readonly #snapshotter: Pick<Snapshotter, 'applyLayer' | 'hasLayer'>;
  readonly #layerLimit: () => number;
  readonly #results = new Map<string, Promise<LayerInfo | undefined>>();
  readonly #taps = new Set<StreamTap>();
  #running = 0;

  constructor(snapshotter: Pick<Snapshotter, 'applyLayer' | 'hasLayer'>, layerLimit: () => number) {
    this.#snapshotter = snapshotter;
    this.#layerLimit = layerLimit;
  }

  /** For FetchOptions.tapFor. */
  tapFor(diffId: string, compressedSize: number): BlobTap | undefined {
    const isTaken = this.#results.has(diffId) || this.#snapshotter.hasLayer(diffId);
    if (isTaken || this.#running >= availableParallelism()) return undefined;
    const tap = new StreamTap();
    this.#running++;
    this.#taps.add(tap);
    const stored = this.#snapshotter
      .applyLayer(diffId, { packed: tap.stream, limit: { maxBytes: this.#layerLimit(), compressedSize } })
      .catch(() => undefined)
      .finally(() => {
        this.#running--;
        this.#taps.delete(tap);
        tap.stop();
      });
    this.#results.set(diffId, stored);
    return tap;
  }

  /** The layer if it was unpacked early; undefined when it was not. */
  async stored(diffId: string): Promise<LayerInfo | undefined> {
    return this.#results.get(diffId);
  }

  /** Ends what is being unpacked; resolves when it has ended. */
  async cancel(): Promise<void> {
    for (const tap of this.#taps) tap.end(false);
    await Promise.all(this.#results.values());
  }
}

/** A tap as a stream. */
class StreamTap implements BlobTap {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #wake: () => void = () => {};

  constructor() {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#wake(),
        cancel: () => this.stop(),
      },
      { highWaterMark: AHEAD, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  async write(chunk: Uint8Array): Promise<void> {
    const controller = this.#controller;
    if (controller === undefined) return;
    controller.enqueue(chunk);
    while (this.#controller !== undefined && (controller.desiredSize ?? 1) <= 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(whole: boolean): void {
    const controller = this.#controller;
    this.#controller = undefined;
    if (whole) controller?.close();
    else controller?.error(new Error('the download failed'));
    this.#wake();
  }

  /** Nobody reads any more. */
  stop(): void {
    this.#controller = undefined;
    this.#wake();
  }
}
