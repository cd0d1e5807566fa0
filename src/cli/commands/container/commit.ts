import type { CommitResponse } from '../../../wire/images.ts';
import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { list, text, toggleOn } from '../../flags/kinds.ts';
import { splitReference } from '../../reference.ts';

export const command = defineCommand({
  name: 'commit',
  summary: "Create a new image from a container's changes",
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  args: { min: 1, max: 2 },
  completes: 'container',
  flags: {
    author: flag(text, { short: 'a', help: 'Who made it (e.g., "Ada Lovelace <ada@example.com>")' }),
    change: flag(list(), { short: 'c', help: 'Apply a Dockerfile instruction to the new image' }),
    message: flag(text, { short: 'm', help: 'A note kept with the image' }),
    pause: flag(toggleOn, { short: 'p', help: 'Pause the container meanwhile' }),
  },
  async run(context, flags, args) {
    const [container = '', reference] = args;
    const { repository, tag } = splitReference(reference ?? '');
    const made = await context.client.json<CommitResponse>('POST', '/commit', {
      query: {
        container,
        repo: repository || undefined,
        tag: tag || undefined,
        comment: flags.message || undefined,
        author: flags.author || undefined,
        changes: flags.change,
        pause: flags.pause ? undefined : '0',
      },
    });
    context.console.out(`${made.Id}\n`);
    return 0;
  },
});
