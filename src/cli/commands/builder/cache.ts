import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';
import { fileBody, saveBody, stdinBody } from '../archive-files.ts';

const PATH = '/tare/build/cache-mounts';

export const command = defineCommand({
  name: 'cache',
  summary: 'Write the files of a cache mount to a tar archive, or add those of one to it',
  usage: 'export|import [OPTIONS] ID',
  args: { min: 2, max: 2 },
  flags: {
    input: flag(text, { short: 'i', help: 'For import: read from a file, instead of stdin' }),
    output: flag(text, { short: 'o', help: 'For export: write to a file, instead of stdout' }),
  },
  async run(context, flags, [verb = '', id = '']) {
    const { client } = context;
    const query = { id };
    if (verb === 'export') {
      await saveBody(context, flags.output, 'export the cache', () => client.request('GET', PATH, { query }));
      return 0;
    }
    if (verb !== 'import')
      throw new CommandFailure(`unknown command ${verb}: give export or import, and an ID`);
    await client.send('POST', PATH, {
      query,
      headers: { 'Content-Type': 'application/x-tar' },
      body: flags.input === '' ? stdinBody() : fileBody(flags.input),
    });
    return 0;
  },
});
