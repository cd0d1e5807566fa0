import { encodeFilters } from '../../../wire/filters.ts';
import type { Volume, VolumeListResponse } from '../../../wire/volumes.ts';
import { defineCommand } from '../../command.ts';
import { configuredFormat } from '../../config.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { formatListing } from '../../format/listing.ts';
import { VOLUME_LISTING, VOLUME_TABLE, volumeRow } from '../../format/volume-list.ts';
import { filterFlag, listFormat } from '../shared-flags.ts';

const byName = (left: Volume, right: Volume): number => (left.Name < right.Name ? -1 : 1);

export const command = defineCommand({
  name: 'ls',
  summary: 'List volumes',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    filter: filterFlag,
    format: listFormat,
    quiet: flag(toggle, { short: 'q', help: 'Print names only' }),
  },
  async run(context, flags) {
    const { Volumes } = await context.client.json<VolumeListResponse>('GET', '/volumes', {
      query: { filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined },
    });
    const volumes = [...(Volumes ?? [])].sort(byName);
    if (flags.quiet && flags.format === '') {
      context.console.out(volumes.map(({ Name }) => `${Name}\n`).join(''));
      return 0;
    }
    const format = flags.format || configuredFormat(context.configDir, 'volumesFormat');
    context.console.out(formatListing(VOLUME_LISTING, format, VOLUME_TABLE, volumes.map(volumeRow)));
    return 0;
  },
});
