import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';
import { saveBody } from '../archive-files.ts';

export const command = defineCommand({
  name: 'export',
  summary: "Write a volume's content as a tar archive",
  usage: '[OPTIONS] VOLUME',
  args: { min: 1, max: 1 },
  completes: 'volume',
  flags: { output: flag(text, { short: 'o', help: 'Write to a file, instead of STDOUT' }) },
  async run(context, flags, args) {
    await saveBody(context, flags.output, 'export volume', () =>
      context.client.request('GET', '/tare/volumes/archive', { query: { volume: args[0]! } }),
    );
    return 0;
  },
});
