import type { Volume } from '../../../wire/volumes.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { list, map, text, textOr } from '../../flags/kinds.ts';
import { checkLabel } from '../../run/checks.ts';
import { readLabels } from '../../run/key-value-files.ts';

export const command = defineCommand({
  name: 'create',
  summary: 'Create a volume',
  usage: '[OPTIONS] [VOLUME]',
  args: { min: 0, max: 1 },
  flags: {
    driver: flag(textOr('local'), { short: 'd', help: "The volume's driver" }),
    label: flag(list(checkLabel), { help: 'Set a label' }),
    name: flag(text, { help: 'Name of the volume', hidden: true }),
    opt: flag(map(), { short: 'o', help: 'Option of the driver' }),
  },
  async run(context, flags, args) {
    if (flags.name !== '' && args.length > 0) {
      throw new CommandFailure(
        'conflicting options: cannot specify a volume-name through both --name and as a positional arg',
      );
    }
    const volume = await context.client.json<Volume>('POST', '/volumes/create', {
      json: {
        Name: args[0] ?? flags.name,
        Driver: flags.driver,
        DriverOpts: flags.opt,
        Labels: readLabels([], flags.label),
      },
    });
    context.console.out(`${volume.Name}\n`);
    return 0;
  },
});
