import { encodeFilters } from '../../../wire/filters.ts';
import type { NetworksPruneResponse } from '../../../wire/networks.ts';
import { defineCommand } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { forcePrune, longFilterFlag } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'prune',
  summary: 'Remove all unused networks',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: { filter: longFilterFlag, force: forcePrune },
  async run(context, flags) {
    const question =
      'WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?';
    if (!flags.force && !(await confirm(context.console, question))) return 0;
    const result = await context.client.json<NetworksPruneResponse>('POST', '/networks/prune', {
      query: { filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined },
    });
    const deleted = result.NetworksDeleted ?? [];
    if (deleted.length > 0)
      context.console.out(`Deleted Networks:\n${deleted.map((name) => `${name}\n`).join('')}\n`);
    return 0;
  },
});
