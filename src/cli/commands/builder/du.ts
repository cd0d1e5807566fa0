import type { BuildCacheRecord, DiskUsageResponse } from '../../../wire/system.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { CACHE_LISTING, cacheRow } from '../../format/disk-usage.ts';
import { formatListing } from '../../format/listing.ts';
import { humanSize } from '../../format/size.ts';
import { filterFlag, listFormat } from '../shared-flags.ts';

/** Filters, by the record's member. */
const FILTERS: Readonly<Record<string, (record: BuildCacheRecord, value: string) => boolean>> = {
  id: (record, value) => record.ID.startsWith(value),
  type: (record, value) => record.Type === value,
  description: (record, value) => record.Description.includes(value),
  inuse: (record, value) => record.InUse === isYes(value),
  shared: (record, value) => record.Shared === isYes(value),
  private: (record, value) => record.Shared !== isYes(value),
};

const isYes = (value: string): boolean => value === 'true' || value === '1';

export const command = defineCommand({
  name: 'du',
  summary: 'Show what builds left and what it takes of the disk',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    filter: filterFlag,
    format: listFormat,
    verbose: flag(toggle, { short: 'v', help: 'Show all that is known of each record' }),
  },
  async run(context, flags) {
    if (flags.verbose && flags.format !== '') {
      throw new CommandFailure('the verbose and the format options conflict');
    }
    const usage = await context.client.json<DiskUsageResponse>('GET', '/system/df', {
      query: { type: 'build-cache' },
    });
    const records = (usage.BuildCache ?? []).filter(testOf(flags.filter)).sort((a, b) => b.Size - a.Size);
    if (flags.verbose) context.console.out(records.map(details).join(''));
    else {
      const table =
        '{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}\t{{.Description}}';
      context.console.out(formatListing(CACHE_LISTING, flags.format, table, records.map(cacheRow)));
    }
    if (flags.format === '') context.console.out(totals(records));
    return 0;
  },
});

function testOf(filters: ReadonlyMap<string, readonly string[]>): (record: BuildCacheRecord) => boolean {
  const tests = [...filters].map(([name, values]) => {
    const test = FILTERS[name];
    if (test === undefined) {
      throw new CommandFailure(`invalid filter '${name}': use ${Object.keys(FILTERS).join(', ')}`);
    }
    return (record: BuildCacheRecord): boolean => values.every((value) => test(record, value));
  });
  return (record) => tests.every((test) => test(record));
}

/** As `buildx du --verbose` prints a record. */
function details(record: BuildCacheRecord): string {
  const lines: Array<readonly [string, string]> = [
    ['ID', record.ID],
    ...(record.Parents ?? []).map((parent) => ['Parent', parent] as const),
    ['Created at', record.CreatedAt],
    ['Mutable', String(record.Type === 'exec.cachemount' || record.Type === 'source.local')],
    ['Reclaimable', String(!record.InUse)],
    ['Shared', String(record.Shared)],
    ['Size', humanSize(record.Size)],
    ['Description', record.Description],
    ['Usage count', String(record.UsageCount)],
    ...(record.LastUsedAt === null ? [] : [['Last used', record.LastUsedAt] as const]),
    ['Type', record.Type],
  ];
  return `${lines.map(([name, value]) => `${`${name}:`.padEnd(16)}${value}\n`).join('')}\n`;
}

function totals(records: readonly BuildCacheRecord[]): string {
  const sum = (test: (record: BuildCacheRecord) => boolean): string =>
    humanSize(records.filter(test).reduce((total, { Size }) => total + Size, 0));
  return [
    `Shared:\t\t${sum((record) => record.Shared)}\n`,
    `Private:\t${sum((record) => !record.Shared)}\n`,
    `Reclaimable:\t${sum((record) => !record.InUse && !record.Shared)}\n`,
    `Total:\t\t${sum(() => true)}\n`,
  ].join('');
}
