import { defineCommand } from '../../command.ts';
import { containerPath, printEach } from '../each.ts';

export const command = defineCommand({
  name: 'pause',
  summary: 'Pause all processes within one or more containers',
  usage: 'CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'running-container',
  flags: {},
  run: (context, _flags, args) =>
    printEach(context, args, (name) => context.client.send('POST', containerPath(name, '/pause'))),
});
