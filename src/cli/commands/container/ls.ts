import type { ContainerSummary } from '../../../wire/containers.ts';
import { encodeFilters } from '../../../wire/filters.ts';
import { defineCommand } from '../../command.ts';
import { configuredFormat } from '../../config.ts';
import { flag } from '../../flags/flag.ts';
import { intOr, toggle } from '../../flags/kinds.ts';
import { CONTAINER_LISTING, containerRow, containerTable } from '../../format/container-list.ts';
import { formatListing } from '../../format/listing.ts';
import { filterFlag, listFormat, noTrunc } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'ls',
  summary: 'List containers',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    all: flag(toggle, { short: 'a', help: 'Show all containers, not just running ones' }),
    filter: filterFlag,
    format: listFormat,
    last: flag(intOr(-1), { short: 'n', help: 'Show the N containers created last, in any state' }),
    latest: flag(toggle, { short: 'l', help: 'Show the container created last, in any state' }),
    'no-trunc': noTrunc,
    quiet: flag(toggle, { short: 'q', help: 'Print ids only' }),
    why: flag(toggle, { help: 'Show why those that do not run any more died' }),
    size: flag(toggle, { short: 's', help: 'Show how much disk space each takes' }),
  },
  async run(context, flags) {
    const format = flags.format || (flags.quiet ? '' : configuredFormat(context.configDir, 'psFormat'));
    // A template that prints sizes needs them, whether or not -s was given.
    const size = flags.size || /\.Size\b|json \.\s*}/.test(format);
    const limit = flags.latest && flags.last === -1 ? 1 : flags.last;
    const containers = await context.client.json<ContainerSummary[]>('GET', '/containers/json', {
      query: {
        all: flags.all,
        limit: limit > 0 ? limit : undefined,
        size,
        filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined,
      },
    });
    const options = { trunc: !flags['no-trunc'], size };
    const rows = containers.map((container) => containerRow(container, options));
    if (flags.quiet && flags.format === '') {
      context.console.out(rows.map((one) => `${one.ID}\n`).join(''));
      return 0;
    }
    context.console.out(
      formatListing(CONTAINER_LISTING, format, containerTable(flags.size, flags.why), rows),
    );
    return 0;
  },
});
