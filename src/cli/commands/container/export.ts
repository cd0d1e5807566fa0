import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';
import { saveBody } from '../archive-files.ts';
import { containerPath } from '../each.ts';

export const command = defineCommand({
  name: 'export',
  summary: "Export a container's filesystem as a tar archive",
  usage: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  completes: 'container',
  flags: { output: flag(text, { short: 'o', help: 'Write to a file, instead of STDOUT' }) },
  async run(context, flags, args) {
    await saveBody(context, flags.output, 'export container', () =>
      context.client.request('GET', containerPath(args[0]!, '/export')),
    );
    return 0;
  },
});
