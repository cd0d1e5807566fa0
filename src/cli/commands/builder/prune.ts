import { encodeFilters } from '../../../wire/filters.ts';
import type { BuildPruneResponse } from '../../../wire/system.ts';
import { defineCommand } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { flag } from '../../flags/flag.ts';
import { bytes, toggle } from '../../flags/kinds.ts';
import { humanSize } from '../../format/size.ts';
import { forcePrune, longFilterFlag } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'prune',
  summary: 'Remove build cache',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    all: flag(toggle, { short: 'a', help: 'Remove all unused build cache, not just dangling ones' }),
    filter: longFilterFlag,
    force: forcePrune,
    'keep-storage': flag(bytes, { help: 'Amount of disk space to keep for cache, such as 10g' }),
    'max-used-space': flag(bytes, { help: 'The most disk space that the cache may keep, such as 20g' }),
    'reserved-space': flag(bytes, { help: 'The same as --keep-storage' }),
  },
  async run(context, flags) {
    const what = flags.all ? 'all build cache' : 'all dangling build cache';
    const question = `WARNING! This will remove ${what}. Are you sure you want to continue?`;
    if (!flags.force && !(await confirm(context.console, question))) return 0;
    const result = await context.client.json<BuildPruneResponse>('POST', '/build/prune', {
      query: {
        all: flags.all,
        'keep-storage': flags['keep-storage'] || undefined,
        'reserved-space': flags['reserved-space'] || undefined,
        'max-used-space': flags['max-used-space'] || undefined,
        filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined,
      },
    });
    const deleted = (result.CachesDeleted ?? []).map((id) => `${id}\n`);
    if (deleted.length > 0) context.console.out(`Deleted build cache objects:\n${deleted.join('')}\n`);
    context.console.out(`Total reclaimed space: ${humanSize(result.SpaceReclaimed)}\n`);
    return 0;
  },
});
