import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { ImageService } from '../images/images.ts';
import type { BuildCache, CacheRecord, PruneCache } from './build-cache.ts';
import type { KeptContexts } from './context/kept-contexts.ts';
import type { CacheMounts } from './operations/cache-mounts.ts';
import type { StepCache, StepRecord } from './step-cache.ts';

export interface BuildCacheParts {
  readonly steps: StepCache;
  readonly mounts: Pick<CacheMounts, 'list' | 'remove'>;
  readonly contexts: Pick<KeptContexts, 'list' | 'remove'>;
  readonly snapshotter: Pick<Snapshotter, 'layerDiskSize' | 'hasLayer'>;
  readonly images: Pick<ImageService, 'list' | 'collect'>;
}

/** A record, and the layer that it is about. */
interface Known extends CacheRecord {
  readonly layer: string | undefined;
}

/** What steps and cache mounts have left; a layer that several records have is counted with the first of them. */
export class BuildCacheStore implements BuildCache {
  readonly #parts: BuildCacheParts;

  constructor(parts: BuildCacheParts) {
    this.#parts = parts;
  }

  async list(): Promise<CacheRecord[]> {
    return (await this.#known()).map(({ layer: _, ...record }) => record);
  }

  async prune(options: PruneCache): Promise<{ deleted: readonly string[]; reclaimed: number }> {
    const { steps, mounts, contexts, images } = this.#parts;
    const known = await this.#known();
    const chosen = choose(known, options);
    const byId = new Map(chosen.map((record) => [record.id, record]));
    const deleted: string[] = [];
    const keys = chosen.filter(({ kind }) => kind === 'regular').map(({ id }) => id);
    // A build may have begun to use one meanwhile.
    const free = keys.filter((key) => !steps.inUse(key));
    steps.remove(free);
    deleted.push(...free);
    let reclaimed = 0;
    for (const { id, kind, size } of chosen) {
      if (kind !== 'exec.cachemount' || !(await mounts.remove(id))) continue;
      deleted.push(id);
      reclaimed += size;
    }
    for (const { id, kind } of chosen) {
      if (kind !== 'source.local' || !contexts.list().some((kept) => kept.id === id && !kept.inUse)) continue;
      deleted.push(id);
      reclaimed += await contexts.remove(id);
    }
    const gone = new Set(await images.collect());
    for (const key of free) {
      const { layer, size = 0 } = byId.get(key) ?? {};
      if (layer !== undefined && gone.has(layer)) reclaimed += size;
    }
    return { deleted, reclaimed };
  }

  async #known(): Promise<Known[]> {
    const { steps, mounts, contexts, images } = this.#parts;
    const shared = new Set(images.list().flatMap(({ config }) => config.rootfs.diff_ids));
    const counted = new Set<string>();
    const records: Known[] = [];
    for (const step of steps.all()) records.push(await this.#step(step, shared, counted));
    for (const { name, id, size, createdAt, usedAt, inUse } of await mounts.list()) {
      records.push({
        id: name,
        parents: [],
        kind: 'exec.cachemount',
        description: `cached mount ${id}`,
        inUse,
        shared: false,
        size,
        createdAt,
        lastUsedAt: usedAt,
        usageCount: 1,
        layer: undefined,
      });
    }
    for (const { id, key, size, usedAt, inUse } of contexts.list()) {
      const times = { createdAt: usedAt, lastUsedAt: usedAt, usageCount: 1 };
      // Of the key, what a person knows: the path.
      const description = `local source for ${key.replace(/^[^:]*:/, '').replace(/:$/, '')}`;
      const record = {
        id,
        parents: [],
        kind: 'source.local',
        description,
        inUse,
        shared: false,
        size,
      } as const;
      records.push({ ...record, ...times, layer: undefined });
    }
    return records;
  }

  async #step(step: StepRecord, shared: ReadonlySet<string>, counted: Set<string>): Promise<Known> {
    const { steps, snapshotter } = this.#parts;
    const { key, layer, parents, description, createdAt, usedAt, uses } = step;
    const isFirst = layer !== undefined && !counted.has(layer);
    if (layer !== undefined) counted.add(layer);
    return {
      id: key,
      parents,
      kind: 'regular',
      description,
      inUse: steps.inUse(key),
      shared: layer !== undefined && shared.has(layer),
      size: isFirst ? await snapshotter.layerDiskSize(layer) : 0,
      createdAt,
      lastUsedAt: usedAt,
      usageCount: uses,
      layer,
    };
  }
}

/**
 * Which records go. Without `all`, those that an image has too stay, for removing them frees nothing; then the longest
 * unused go first, until what is left is within what may stay.
 */
function choose(known: readonly Known[], { all, matches, keepBytes, maxUsedBytes }: PruneCache): Known[] {
  const total = known.reduce((sum, { size, shared }) => sum + (shared ? 0 : size), 0);
  const candidates = known
    .filter((record) => !record.inUse && (all || !record.shared) && (matches?.(record) ?? true))
    .sort((a, b) => usedAt(a) - usedAt(b));
  // With a bound, only what is above it; what may stay in any case counts too.
  const goal = maxUsedBytes === undefined ? keepBytes : Math.max(keepBytes, maxUsedBytes);
  if (goal === 0) return candidates;
  const chosen: Known[] = [];
  let left = total;
  for (const record of candidates) {
    if (left <= goal) break;
    chosen.push(record);
    if (!record.shared) left -= record.size;
  }
  return chosen;
}

function usedAt({ lastUsedAt, createdAt }: CacheRecord): number {
  return Math.max(lastUsedAt, createdAt);
}
