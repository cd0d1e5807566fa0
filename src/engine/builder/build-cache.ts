/**
 * What builds have left to be found again: layers of steps, and the directories of `RUN --mount=type=cache`.
 *
 * A record that a build under way uses, and one whose layer an image has too, is not counted as reclaimable; the first
 * is never removed, the second only loses its row.
 */
export interface BuildCache {
  list(): Promise<CacheRecord[]>;
  /** Removes what is older and not needed, the longest unused first. */
  prune(options: PruneCache): Promise<{ readonly deleted: readonly string[]; readonly reclaimed: number }>;
}

export interface CacheRecord {
  readonly id: string;
  readonly parents: readonly string[];
  /** As BuildKit calls them: a step's layer, a cache mount. */
  readonly kind: 'regular' | 'exec.cachemount' | 'source.local';
  /** What made it: `mount / from exec /bin/sh -c make`. */
  readonly description: string;
  /** A build under way uses it. */
  readonly inUse: boolean;
  /** An image has the layer too: removing it frees nothing. */
  readonly shared: boolean;
  /** Bytes on the disk. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** 0: never used again. */
  readonly lastUsedAt: number;
  readonly usageCount: number;
}

export interface PruneCache {
  /** Also what an image has, and what is not old: everything but what is in use. */
  readonly all: boolean;
  readonly matches?: (record: CacheRecord) => boolean;
  /** Bytes that may stay whatever else is said (`--keep-storage`, `--reserved-space`); 0: none. */
  readonly keepBytes: number;
  /** The most that may stay (`--max-used-space`); undefined: no bound but what the rest says. */
  readonly maxUsedBytes?: number | undefined;
}
