import { defineCommand } from '../../command.ts';

export const command = defineCommand({
  name: 'rename',
  summary: 'Rename a volume that no container has',
  usage: 'VOLUME NEW-NAME',
  args: { min: 2, max: 2 },
  completes: 'volume',
  flags: {},
  async run(context, _flags, args) {
    const [before = '', name = ''] = args;
    await context.client.send('POST', '/tare/volumes/rename', {
      query: { volume: before },
      json: { Name: name },
    });
    return 0;
  },
});
