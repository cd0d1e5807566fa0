import type { BuildCache, CacheRecord, PruneCache } from '../../engine/builder/build-cache.ts';
import { type Filters, parseFilters } from '../../wire/filters.ts';
import type { BuildCacheRecord } from '../../wire/system.ts';
import type { Exchange } from '../exchange.ts';
import { flag, integer } from '../query.ts';
import type { Route } from '../router.ts';
import { nanosToMillis, parseMoment } from '../time.ts';

/**
 * Filters of `/build/prune`, as dockerd takes them, and `label`: `system prune` hands on its own. Records have no labels,
 * so that none has one that is asked for.
 */
const FILTERS: ReadonlySet<string> = new Set([
  'until',
  'unused-for',
  'id',
  'parent',
  'type',
  'description',
  'inuse',
  'shared',
  'private',
  'label',
  'label!',
]);

/** What builds left. */
export function buildCacheRoutes({ buildCache }: { readonly buildCache: BuildCache }): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/build/prune',
      async handle(x) {
        const { deleted, reclaimed } = await buildCache.prune(pruneOptions(x));
        x.json(200, { CachesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed });
      },
    },
  ];
}

function pruneOptions(x: Exchange): PruneCache {
  const matches = recordTest(parseFilters(x.query.get('filters')).restrictTo(FILTERS), Date.now());
  const most = integer(x, 'max-used-space') ?? 0;
  return {
    all: flag(x, 'all'),
    matches,
    keepBytes: integer(x, 'reserved-space') ?? integer(x, 'keep-storage') ?? 0,
    maxUsedBytes: most > 0 ? most : undefined,
  };
}

/** What filters leave: not used since `until`, and what the others say of the record. */
export function recordTest(filters: Filters, now: number): (record: CacheRecord) => boolean {
  const moments = [...filters.get('until'), ...filters.get('unused-for')];
  const before = Math.min(...moments.map((text) => nanosToMillis(parseMoment(text, now))));
  const yes = (name: string): boolean | undefined =>
    filters.has(name) ? filters.bool(name, true) : undefined;
  const [inUse, shared, own] = [yes('inuse'), yes('shared'), yes('private')];
  return (record) =>
    Math.max(record.createdAt, record.lastUsedAt) < before &&
    filters.get('label').length === 0 &&
    filters.get('id').every((id) => record.id.startsWith(id)) &&
    filters.get('parent').every((id) => record.parents.some((parent) => parent.startsWith(id))) &&
    filters.exact('type', record.kind) &&
    filters.get('description').every((text) => record.description.includes(text)) &&
    (inUse === undefined || record.inUse === inUse) &&
    (shared === undefined || record.shared === shared) &&
    (own === undefined || record.shared !== own);
}

export function cacheRecordToWire(record: CacheRecord): BuildCacheRecord {
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
  return {
    ID: record.id,
    ...(record.parents.length > 0 && { Parents: [...record.parents] }),
    Type: record.kind,
    Description: record.description,
    InUse: record.inUse,
    Shared: record.shared,
    Size: record.size,
    CreatedAt: time(record.createdAt),
    LastUsedAt: record.lastUsedAt > 0 ? time(record.lastUsedAt) : null,
    UsageCount: record.usageCount,
  };
}
