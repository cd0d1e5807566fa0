import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { printEach } from '../each.ts';

export const command = defineCommand({
  name: 'rm',
  summary: 'Remove one or more volumes that no container uses',
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  args: { min: 1 },
  completes: 'volume',
  flags: { force: flag(toggle, { short: 'f', help: 'Do not fail when it does not exist' }) },
  run: (context, flags, args) =>
    printEach(context, args, (name) =>
      context.client.send('DELETE', `/volumes/${encodeURIComponent(name)}`, {
        query: { force: flags.force },
      }),
    ),
});
