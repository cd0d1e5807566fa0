import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';
import { containerPath, printEach } from '../each.ts';

export const command = defineCommand({
  name: 'kill',
  summary: 'Kill one or more running containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'running-container',
  flags: { signal: flag(text, { short: 's', help: 'Signal to send (default KILL)' }) },
  run: (context, flags, args) =>
    printEach(context, args, (name) =>
      context.client.send('POST', containerPath(name, '/kill'), {
        query: { signal: flags.signal || undefined },
      }),
    ),
});
