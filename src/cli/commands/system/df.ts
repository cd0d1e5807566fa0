import type { DiskUsageResponse } from '../../../wire/system.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { USAGE_LISTING, USAGE_TABLE, usageDetails, usageRows } from '../../format/disk-usage.ts';
import { formatListing } from '../../format/listing.ts';
import { listFormat } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'df',
  summary: 'Show disk usage',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    format: listFormat,
    verbose: flag(toggle, { short: 'v', help: 'Show what takes the space' }),
  },
  async run(context, flags) {
    if (flags.verbose && flags.format !== '') {
      throw new CommandFailure('the verbose and the format options conflict');
    }
    const usage = await context.client.json<DiskUsageResponse>('GET', '/system/df', {
      query: { tare: 1 },
    });
    context.console.out(
      flags.verbose
        ? usageDetails(usage)
        : formatListing(USAGE_LISTING, flags.format, USAGE_TABLE, usageRows(usage)),
    );
    return 0;
  },
});
