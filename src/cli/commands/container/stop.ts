import { defineCommand } from '../../command.ts';
import { flag, optional } from '../../flags/flag.ts';
import { int, text } from '../../flags/kinds.ts';
import { containerPath, printEach } from '../each.ts';

export const command = defineCommand({
  name: 'stop',
  summary: 'Stop one or more running containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'running-container',
  flags: {
    signal: flag(text, { short: 's', help: 'Signal to send first' }),
    time: flag(optional(int), {
      help: 'Seconds to wait',
      aliasOf: 'timeout',
      deprecated: 'use --timeout instead',
    }),
    timeout: flag(optional(int), { short: 't', help: 'Seconds to wait before the container is killed' }),
  },
  run: (context, flags, args) =>
    printEach(context, args, (name) =>
      context.client.send('POST', containerPath(name, '/stop'), {
        query: { signal: flags.signal || undefined, t: flags.timeout },
      }),
    ),
});
