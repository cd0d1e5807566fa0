import { encodeFilters } from '../../../wire/filters.ts';
import type { SearchResult } from '../../../wire/registries.ts';
import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { int } from '../../flags/kinds.ts';
import { formatListing } from '../../format/listing.ts';
import { SEARCH_LISTING, SEARCH_TABLE, searchRow } from '../../format/search-list.ts';
import { registryAuth } from '../../registry-auth.ts';
import { filterFlag, listFormat, noTrunc } from '../shared-flags.ts';

/** Formats that print a row as JSON: there a yes is `true`, elsewhere `[OK]`, as docker has it. */
const WHOLE_ROW = /^json$|\{\{-?\s*json\s+\.\s*-?\}\}/;

export const command = defineCommand({
  name: 'search',
  summary: 'Search Docker Hub for images',
  description: 'A term that begins with a registry, HOST[:PORT]/NAME, searches there, if it has a search.',
  usage: '[OPTIONS] TERM',
  args: { min: 1, max: 1 },
  completes: 'none',
  flags: {
    filter: filterFlag,
    format: listFormat,
    limit: flag(int, { help: 'Show at most this many (1 to 100; default 25)' }),
    'no-trunc': noTrunc,
  },
  async run(context, flags, args) {
    const term = args[0]!;
    const found = await context.client.json<SearchResult[]>('GET', '/images/search', {
      query: {
        term,
        limit: flags.limit === 0 ? undefined : flags.limit,
        filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined,
      },
      headers: { 'X-Registry-Auth': await registryAuth(context, term) },
    });
    const options = { trunc: !flags['no-trunc'], json: WHOLE_ROW.test(flags.format) };
    const rows = found.map((one) => searchRow(one, options));
    context.console.out(formatListing(SEARCH_LISTING, flags.format, SEARCH_TABLE, rows));
    return 0;
  },
});
