import { defineCommand } from '../../command.ts';
import { containerPath, printEach } from '../each.ts';
import { STOP_FLAGS } from './stop-flags.ts';

export const command = defineCommand({
  name: 'stop',
  summary: 'Stop one or more running containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'running-container',
  flags: STOP_FLAGS,
  run: (context, flags, args) =>
    printEach(context, args, (name) =>
      context.client.send('POST', containerPath(name, '/stop'), {
        query: { signal: flags.signal || undefined, t: flags.timeout },
      }),
    ),
});
