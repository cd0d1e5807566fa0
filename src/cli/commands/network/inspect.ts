import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { inspectObjects } from '../inspect-objects.ts';
import { objectFormat } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'inspect',
  summary: 'Display detailed information on one or more networks',
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  args: { min: 1 },
  completes: 'network',
  flags: {
    format: objectFormat,
    verbose: flag(toggle, { short: 'v', help: 'Show more for diagnosis' }),
  },
  run: (context, flags, args) =>
    inspectObjects(context, args, flags.format, (name) =>
      context.client.json('GET', `/networks/${encodeURIComponent(name)}`, {
        query: { verbose: flags.verbose },
      }),
    ),
});
