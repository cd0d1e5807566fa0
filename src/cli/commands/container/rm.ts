import { DaemonError } from '../../client/client.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, forEachItem } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { containerPath } from '../each.ts';

export const command = defineCommand({
  name: 'rm',
  summary: 'Remove one or more containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'container',
  flags: {
    force: flag(toggle, { short: 'f', help: 'Remove it even while it runs (it is killed)' }),
    link: flag(toggle, { short: 'l', help: 'Remove the link, not the container' }),
    volumes: flag(toggle, { short: 'v', help: 'Remove its anonymous volumes too' }),
  },
  async run(context, flags, args) {
    await forEachItem(args, async (given) => {
      const name = given.replace(/^\/+/, '');
      if (name === '') throw new CommandFailure('Container name cannot be empty');
      try {
        await context.client.send('DELETE', containerPath(name), {
          query: { force: flags.force, link: flags.link, v: flags.volumes },
        });
      } catch (error) {
        // With -f the wish is that it be gone, and it is: docker says so and does not fail.
        if (!flags.force || !(error instanceof DaemonError) || error.status !== 404) throw error;
        context.console.err(`Error response from daemon: ${error.message}\n`);
        return;
      }
      context.console.out(`${name}\n`);
    });
    return 0;
  },
});
