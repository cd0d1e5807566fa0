import type { Volume } from '../../../wire/volumes.ts';
import { defineCommand } from '../../command.ts';
import { fileBody, stdinBody } from '../archive-files.ts';

export const command = defineCommand({
  name: 'import',
  summary: 'Unpack a tar archive, plain or compressed, into a volume, which is made when it is not there',
  usage: 'VOLUME FILE|-',
  args: { min: 2, max: 2 },
  completes: 'volume',
  flags: {},
  async run(context, _flags, args) {
    const [name = '', source = ''] = args;
    const volume = await context.client.json<Volume>('PUT', '/tare/volumes/archive', {
      query: { volume: name },
      body: source === '-' ? stdinBody() : fileBody(source),
      headers: { 'Content-Type': 'application/x-tar' },
    });
    context.console.out(`${volume.Name}\n`);
    return 0;
  },
});
