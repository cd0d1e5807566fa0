import type { ContainersPruneResponse } from '../../../wire/containers.ts';
import { encodeFilters } from '../../../wire/filters.ts';
import { defineCommand } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { humanSize } from '../../format/size.ts';
import { forcePrune, longFilterFlag } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'prune',
  summary: 'Remove all stopped containers',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: { filter: longFilterFlag, force: forcePrune },
  async run(context, flags) {
    const question = 'WARNING! This will remove all stopped containers.\nAre you sure you want to continue?';
    if (!flags.force && !(await confirm(context.console, question))) return 0;
    const result = await context.client.json<ContainersPruneResponse>('POST', '/containers/prune', {
      query: { filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined },
    });
    const deleted = result.ContainersDeleted ?? [];
    if (deleted.length > 0)
      context.console.out(`Deleted Containers:\n${deleted.map((id) => `${id}\n`).join('')}\n`);
    context.console.out(`Total reclaimed space: ${humanSize(result.SpaceReclaimed)}\n`);
    return 0;
  },
});
