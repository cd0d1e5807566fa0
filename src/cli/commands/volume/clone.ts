import type { Volume } from '../../../wire/volumes.ts';
import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { list } from '../../flags/kinds.ts';
import { checkLabel } from '../../run/checks.ts';
import { readLabels } from '../../run/key-value-files.ts';

export const command = defineCommand({
  name: 'clone',
  summary: 'Make a volume with the content and the labels of another',
  usage: '[OPTIONS] VOLUME NEW-VOLUME',
  args: { min: 2, max: 2 },
  completes: 'volume',
  flags: { label: flag(list(checkLabel), { help: 'Set a further label' }) },
  async run(context, flags, args) {
    const [from = '', name = ''] = args;
    const volume = await context.client.json<Volume>('POST', '/tare/volumes/clone', {
      query: { volume: from },
      json: { Name: name, Labels: readLabels([], flags.label) },
    });
    context.console.out(`${volume.Name}\n`);
    return 0;
  },
});
