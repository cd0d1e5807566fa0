import { DaemonError, NoDaemonError } from '../../client/client.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, describeError } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';

export const command = defineCommand({
  name: 'rm',
  summary: 'Remove one or more networks',
  usage: 'NETWORK [NETWORK...]',
  args: { min: 1 },
  completes: 'network',
  flags: { force: flag(toggle, { short: 'f', help: 'Do not fail when it does not exist' }) },
  async run(context, flags, args) {
    let failed = false;
    for (const name of args) {
      try {
        await context.client.send('DELETE', `/networks/${encodeURIComponent(name)}`);
        context.console.out(`${name}\n`);
      } catch (error) {
        if (error instanceof NoDaemonError) throw error;
        if (flags.force && error instanceof DaemonError && error.status === 404) continue;
        context.console.err(`${describeError(error)}\n`);
        failed = true;
      }
    }
    if (failed) throw new CommandFailure('exit status 1');
    return 0;
  },
});
