import type { LayerInfo } from '../snapshots.ts';

/**
 * Stores one layer: the bytes of its tar by `push`, then `finish`. Synchronous and slow: for the Worker
 * (layer-worker.ts), which makes the kind of job that a request names.
 */
export interface LayerJob {
  /** Keeps nothing of `chunk`, whose memory goes afterwards. */
  push(chunk: Uint8Array): void;
  /** Checks the digest, makes everything durable and then visible. */
  finish(): LayerJobResult;
  /** Lets go of descriptors after an error. The files stay, for the caller to remove. */
  abandon(): void;
}

/** What every job has to know. */
export interface LayerJobRequest {
  /** How the layer is kept. */
  readonly kind: 'directory' | 'erofs';
  /** Directory that becomes the layer's entry when everything is durable; does not exist yet. */
  readonly ingest: string;
  /** Directory of finished layers. */
  readonly layers: string;
  /** A short name that no other layer has. */
  readonly short: string;
  /** For `directory`: where the tree goes; does not exist yet. */
  readonly tree: string;
  readonly diffId: string | undefined;
}

export interface LayerJobResult {
  readonly meta: LayerMeta;
  /** False when the same layer was there already; then what was made is left to be removed. */
  readonly stored: boolean;
  /** Attributes that could not be kept, as `name path`. */
  readonly lostXattrs: readonly string[];
}

/** Facts of a finished layer, kept as `meta.json` in its entry. */
export interface LayerMeta extends LayerInfo {
  /** Name of its tree. */
  readonly short: string;
  readonly opaqueRoot: boolean;
}
