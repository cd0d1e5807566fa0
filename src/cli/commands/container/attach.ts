import type { ContainerInspect } from '../../../wire/containers.ts';
import { defineCommand } from '../../command.ts';
import { readConfig } from '../../config.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle, toggleOn } from '../../flags/kinds.ts';
import { followSize, nudgeSize, proxySignals, registerWait } from '../../run/attached.ts';
import { joinStreams } from '../../run/session.ts';
import { requireTerminal } from '../../terminal/terminal.ts';
import { containerPath } from '../each.ts';
import { detachKeys } from '../shared-flags.ts';

function requireRunning({ State }: ContainerInspect): void {
  if (!State.Running) throw new CommandFailure('You cannot attach to a stopped container, start it first');
  if (State.Paused) throw new CommandFailure('You cannot attach to a paused container, unpause it first');
  if (State.Restarting) {
    throw new CommandFailure('You cannot attach to a restarting container, wait until it is running');
  }
}

export const command = defineCommand({
  name: 'attach',
  summary: 'Attach local standard input, output, and error streams to a running container',
  usage: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  completes: 'running-container',
  flags: {
    'detach-keys': detachKeys,
    'no-stdin': flag(toggle, { help: 'Do not attach STDIN' }),
    'sig-proxy': flag(toggleOn, { help: 'Pass signals on to it' }),
  },
  async run(context, flags, args) {
    const container = await context.client.json<ContainerInspect>('GET', containerPath(args[0]!, '/json'));
    requireRunning(container);
    const { Tty: tty, OpenStdin } = container.Config;
    const stdin = !flags['no-stdin'] && OpenStdin;
    requireTerminal(stdin, tty);
    const keys = flags['detach-keys'] || readConfig(context.configDir).detachKeys || '';
    const stopProxy = flags['sig-proxy'] && !tty ? proxySignals(context, container.Id) : () => {};
    const wait = await registerWait(context, container.Id, false);
    const { stream } = await context.client.hijack(containerPath(container.Id, '/attach'), {
      query: { stream: true, stdin, stdout: true, stderr: true, detachKeys: keys || undefined },
    });
    if (tty) await nudgeSize(context, containerPath(container.Id));
    const stopSizes = tty ? followSize(context, containerPath(container.Id)) : () => {};
    const output = { stdout: true, stderr: true };
    const end = await joinStreams({
      console: context.console,
      stream,
      tty,
      stdin,
      ...output,
      detachKeys: keys,
    });
    stopSizes();
    stopProxy();
    if (end === 'detached') throw new CommandFailure('read escape sequence');
    return await wait.exitCode;
  },
});
