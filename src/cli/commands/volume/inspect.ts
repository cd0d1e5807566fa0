import { defineCommand } from '../../command.ts';
import { inspectObjects } from '../inspect-objects.ts';
import { objectFormat } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'inspect',
  summary: 'Display detailed information on one or more volumes',
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  args: { min: 1 },
  completes: 'volume',
  flags: { format: objectFormat },
  run: (context, flags, args) =>
    inspectObjects(context, args, flags.format, (name) =>
      context.client.json('GET', `/volumes/${encodeURIComponent(name)}`),
    ),
});
