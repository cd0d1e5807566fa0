import type { ContainerTopResponse } from '../../../wire/containers.ts';
import { defineCommand } from '../../command.ts';
import { alignTabs } from '../../format/table.ts';
import { containerPath } from '../each.ts';

export const command = defineCommand({
  name: 'top',
  summary: 'Display the running processes of a container',
  usage: 'CONTAINER [ps OPTIONS]',
  args: { min: 1 },
  interspersed: false,
  completes: 'running-container',
  flags: {},
  async run(context, _flags, args) {
    const [name = '', ...options] = args;
    const list = await context.client.json<ContainerTopResponse>('GET', containerPath(name, '/top'), {
      query: { ps_args: options.join(' ') || undefined },
    });
    const lines = [list.Titles, ...(list.Processes ?? [])].map((cells) => `${cells.join('\t')}\n`);
    context.console.out(alignTabs(lines.join(''), { minWidth: 20, padding: 3 }));
    return 0;
  },
});
