import type { ContainerInspect } from '../../../wire/containers.ts';
import { defineCommand, type FlagValues } from '../../command.ts';
import { readConfig } from '../../config.ts';
import type { CommandContext } from '../../context.ts';
import { CommandFailure, describeError, forEachItem } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text, toggle } from '../../flags/kinds.ts';
import { followSize, proxySignals, registerWait } from '../../run/attached.ts';
import { joinStreams } from '../../run/session.ts';
import { requireTerminal } from '../../terminal/terminal.ts';
import { containerPath } from '../each.ts';
import { detachKeys } from '../shared-flags.ts';

const FLAGS = {
  attach: flag(toggle, { short: 'a', help: 'Attach STDOUT and STDERR and pass signals on' }),
  checkpoint: flag(text, { help: 'Restore from this checkpoint', hidden: true }),
  'checkpoint-dir': flag(text, { help: 'Where checkpoints lie', hidden: true }),
  'detach-keys': detachKeys,
  interactive: flag(toggle, { short: 'i', help: "Attach the container's STDIN" }),
};
type StartFlags = FlagValues<typeof FLAGS>;

async function startOne(context: CommandContext, flags: StartFlags, name: string): Promise<void> {
  await context.client.send('POST', containerPath(name, '/start'), {
    query: {
      checkpoint: flags.checkpoint || undefined,
      'checkpoint-dir': flags['checkpoint-dir'] || undefined,
    },
  });
}

async function startAttached(context: CommandContext, flags: StartFlags, name: string): Promise<number> {
  const container = await context.client.json<ContainerInspect>('GET', containerPath(name, '/json'));
  const { Id: id } = container;
  const { Tty: tty, OpenStdin } = container.Config;
  const stdin = flags.interactive && OpenStdin;
  requireTerminal(stdin, tty);
  const keys = flags['detach-keys'] || readConfig(context.configDir).detachKeys || '';
  const stopProxy = tty ? () => {} : proxySignals(context, id);
  const { stream } = await context.client.hijack(containerPath(id, '/attach'), {
    query: { stream: true, stdin, stdout: true, stderr: true, detachKeys: keys || undefined },
  });
  const output = { stdout: true, stderr: true };
  const session = joinStreams({ console: context.console, stream, tty, stdin, ...output, detachKeys: keys });
  session.catch(() => {});
  const wait = await registerWait(context, id, container.HostConfig.AutoRemove);
  try {
    await startOne(context, flags, name);
  } catch (error) {
    stream.close();
    await Promise.race([session, Bun.sleep(2000)]).catch(() => {});
    throw error;
  }
  const stopSizes = tty ? followSize(context, containerPath(id)) : () => {};
  const end = await session;
  stopSizes();
  stopProxy();
  return end === 'detached' ? 0 : await wait.exitCode;
}

export const command = defineCommand({
  name: 'start',
  summary: 'Start one or more stopped containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'container',
  flags: FLAGS,
  async run(context, flags, args) {
    if (flags.attach || flags.interactive) {
      if (args.length > 1)
        throw new CommandFailure('you cannot start and attach multiple containers at once');
      try {
        return await startAttached(context, flags, args[0]!);
      } catch (error) {
        throw error instanceof CommandFailure ? error : new CommandFailure(describeError(error));
      }
    }
    await forEachItem(
      args,
      async (name) => {
        await startOne(context, flags, name);
        context.console.out(`${name}\n`);
      },
      (failed) => `Error: failed to start containers: ${failed.join(', ')}`,
    );
    return 0;
  },
});
