import type { ContainerWaitResponse } from '../../../wire/containers.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, forEachItem } from '../../failure.ts';
import { containerPath } from '../each.ts';

export const command = defineCommand({
  name: 'wait',
  summary: 'Block until one or more containers stop, then print their exit codes',
  usage: 'CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'container',
  flags: {},
  async run(context, _flags, args) {
    await forEachItem(args, async (name) => {
      const result = await context.client.json<ContainerWaitResponse>('POST', containerPath(name, '/wait'));
      if (result.Error) throw new CommandFailure(result.Error.Message);
      context.console.out(`${result.StatusCode}\n`);
    });
    return 0;
  },
});
