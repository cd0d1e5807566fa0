import type { LayerInfo, LayerSource } from './snapshots.ts';

/**
 * Where layers lie, and what overlayfs is given of them. A snapshotter stands on one.
 *
 * A layer is kept under its *diff id*. Its *tree* is a directory that shows it in overlayfs's terms: whiteouts are
 * character devices 0/0, opaque directories carry `trusted.overlay.opaque`. A tree that has to be mounted first is
 * mounted when it is asked for and stays so while anybody *holds* the layer, and for a while after.
 *
 * Example: `hold(chain)` when a snapshot is made over the chain; `tree(diffId).path` for each layer goes into the
 * options of its mount; `release(chain)` when the snapshot is removed.
 */
export interface LayerStore {
  /** Stores a layer, as `Snapshotter.applyLayer` says. */
  apply(diffId: string | undefined, source: LayerSource): Promise<LayerInfo>;
  info(diffId: string): LayerInfo | undefined;
  list(): LayerInfo[];
  /** What it takes on the disk, in bytes; 0 when it is not there. */
  diskSize(diffId: string): Promise<number>;
  /** Nobody holds the layer. */
  remove(diffId: string): void;
  /** The layer's uncompressed tar; throws `not-found`. */
  tar(diffId: string): ReadableStream<Uint8Array>;
  /** Checks what `tar` does not read; throws `corrupt`. Left out where there is nothing else. */
  verify?(diffId: string): Promise<void>;
  /** Throws `not-found`; `corrupt` when what lies on the disk is no layer any more. */
  tree(diffId: string): LayerTree;
  /** Each hold wants one release. A layer that is not there is ignored. */
  hold(diffIds: readonly string[]): void;
  release(diffIds: readonly string[]): void;
  /** Removes what is half-made, at start-up. */
  sweep(): void;
  /** Lets go of threads, timers and mounts. */
  close(): Promise<void>;
}

export interface LayerTree {
  /** Absolute, without comma, colon or backslash. */
  readonly path: string;
  /** It hides everything below it; overlayfs does not look at the mark on a layer's root. */
  readonly opaqueRoot: boolean;
}
