import { TareError } from '../base/errors.ts';
import type { BuildCache, CacheRecord, PruneCache } from '../engine/builder/build-cache.ts';
import type { PruneRequest, UsageRecord } from './proto/control.ts';
import type { ValueOf } from './proto/message.ts';
import { timestampOf } from './proto/timestamp.ts';

/** The records that filters let through. */
export async function cacheRecords(cache: BuildCache, filters: readonly string[]): Promise<CacheRecord[]> {
  const matches = matcherOf(filters);
  return (await cache.list()).filter(matches);
}

export function recordToWire(record: CacheRecord): Partial<ValueOf<typeof UsageRecord>> {
  const { id, parents, kind, description, inUse, shared, size, usageCount } = record;
  return {
    id,
    parents: [...parents],
    recordType: kind,
    description,
    inUse,
    shared,
    size,
    usageCount,
    createdAt: timestampOf(record.createdAt),
    ...(record.lastUsedAt > 0 && { lastUsedAt: timestampOf(record.lastUsedAt) }),
  };
}

export function pruneOptions(request: ValueOf<typeof PruneRequest>): PruneCache {
  const { all, filter, keepDuration, reservedSpace, maxUsedSpace } = request;
  const matches = matcherOf(filter);
  const before = Date.now() - keepDuration / 1e6;
  return {
    all,
    matches: (record) =>
      matches(record) && (keepDuration === 0 || Math.max(record.createdAt, record.lastUsedAt) < before),
    keepBytes: reservedSpace,
    maxUsedBytes: maxUsedSpace > 0 ? maxUsedSpace : undefined,
  };
}

/** containerd's filters: alternatives of comma-separated terms `field==value`, `field~=regexp`, `field!=value`. */
function matcherOf(filters: readonly string[]): (record: CacheRecord) => boolean {
  const alternatives = filters
    .filter((text) => text !== '')
    .map((text) => text.split(',').map((term) => termOf(term.trim())));
  if (alternatives.length === 0) return () => true;
  return (record) => alternatives.some((terms) => terms.every((term) => term(record)));
}

function termOf(text: string): (record: CacheRecord) => boolean {
  const [, field = '', operator, raw = ''] = /^([a-z]+)(?:(==|~=|!=)(.*))?$/i.exec(text) ?? [];
  const value = raw.replace(/^"(.*)"$/, '$1');
  const of = (record: CacheRecord): string => fieldOf(record, field.toLowerCase(), text);
  switch (operator) {
    case '==':
      return (record) => of(record) === value;
    case '!=':
      return (record) => of(record) !== value;
    case '~=': {
      const pattern = new RegExp(value);
      return (record) => pattern.test(of(record));
    }
    default:
      return (record) => of(record) === 'true';
  }
}

function fieldOf(record: CacheRecord, field: string, text: string): string {
  switch (field) {
    case 'id':
      return record.id;
    case 'parents':
      return record.parents.join(';');
    case 'description':
      return record.description;
    case 'inuse':
      return String(record.inUse);
    case 'mutable':
      return 'false';
    case 'immutable':
      return 'true';
    case 'type':
      return record.kind;
    case 'shared':
      return String(record.shared);
    case 'private':
      return String(!record.shared);
    default:
      throw new TareError('invalid', `invalid filter ${JSON.stringify(text)}`);
  }
}
