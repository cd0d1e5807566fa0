import { encodeFilters } from '../../../wire/filters.ts';
import type { VolumesPruneResponse } from '../../../wire/volumes.ts';
import { olderVersion } from '../../client/client.ts';
import { defineCommand } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { humanSize } from '../../format/size.ts';
import { forcePrune, longFilterFlag } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'prune',
  summary: 'Remove unused local volumes',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    all: flag(toggle, { short: 'a', help: 'Remove all unused volumes, not just anonymous ones' }),
    filter: longFilterFlag,
    force: forcePrune,
  },
  async run(context, flags) {
    if (flags.all && flags.filter.has('all')) {
      throw new CommandFailure('conflicting options: cannot specify both --all and --filter all=1');
    }
    await context.client.ping();
    // Before 1.42 a prune always took the named volumes too.
    const old = olderVersion(context.client.apiVersion, '1.42');
    if (old && flags.all) {
      throw new CommandFailure(
        `"--all" requires API version 1.42, but the Docker daemon API version is ${context.client.apiVersion}`,
      );
    }
    const what = flags.all || old ? 'all local volumes' : 'anonymous local volumes';
    const question = `WARNING! This will remove ${what} not used by at least one container.\nAre you sure you want to continue?`;
    if (!flags.force && !(await confirm(context.console, question))) return 0;
    const filters = new Map(flags.filter);
    if (flags.all) filters.set('all', ['true']);
    const result = await context.client.json<VolumesPruneResponse>('POST', '/volumes/prune', {
      query: { filters: filters.size > 0 ? encodeFilters(filters) : undefined },
    });
    const deleted = result.VolumesDeleted ?? [];
    if (deleted.length > 0)
      context.console.out(`Deleted Volumes:\n${deleted.map((name) => `${name}\n`).join('')}\n`);
    context.console.out(`Total reclaimed space: ${humanSize(result.SpaceReclaimed)}\n`);
    return 0;
  },
});
