import { defineCommand } from '../../command.ts';
import { CommandFailure, describeError } from '../../failure.ts';
import { containerPath } from '../each.ts';

export const command = defineCommand({
  name: 'rename',
  summary: 'Rename a container',
  usage: 'CONTAINER NEW_NAME',
  args: { min: 2, max: 2 },
  completes: 'container',
  flags: {},
  async run(context, _flags, args) {
    const [oldName = '', newName = ''] = args.map((name) => name.trim());
    if (oldName === '' || newName === '') {
      throw new CommandFailure('Error: Neither old nor new names may be empty');
    }
    try {
      await context.client.send('POST', containerPath(oldName, '/rename'), { query: { name: newName } });
    } catch (error) {
      throw new CommandFailure(`${describeError(error)}\nError: failed to rename container named ${oldName}`);
    }
    return 0;
  },
});
