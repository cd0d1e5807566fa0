import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { containerPath } from '../each.ts';
import { inspectObjects } from '../inspect-objects.ts';
import { objectFormat } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'inspect',
  summary: 'Display detailed information on one or more containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'container',
  flags: {
    format: objectFormat,
    size: flag(toggle, { short: 's', help: 'Show how much disk space it takes' }),
  },
  run: (context, flags, args) =>
    inspectObjects(context, args, flags.format, (name) =>
      context.client.json('GET', containerPath(name, '/json'), { query: { size: flags.size } }),
    ),
});
