import type { ImageMountEntry } from '../../../wire/image-mounts.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, forEachItem } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';

export const command = defineCommand({
  name: 'unmount',
  summary: 'Take away what image mount mounted, and print the names',
  usage: '[OPTIONS] [IMAGE...]',
  args: { min: 0 },
  completes: 'image',
  flags: { all: flag(toggle, { short: 'a', help: 'Unmount all images' }) },
  async run(context, flags, args) {
    const unmount = (query: { image: string } | { all: boolean }) =>
      context.client.json<ImageMountEntry[]>('DELETE', '/tare/image-mounts', { query });
    if (flags.all && args.length > 0) throw new CommandFailure('give either images or --all');
    if (flags.all) {
      const entries = await unmount({ all: true });
      context.console.out(entries.map(({ Id, RepoTags }) => `${RepoTags[0] ?? Id}\n`).join(''));
      return 0;
    }
    if (args.length === 0) throw new CommandFailure('name the images to unmount, or give --all');
    await forEachItem(args, async (image) => {
      await unmount({ image });
      context.console.out(`${image}\n`);
    });
    return 0;
  },
});
