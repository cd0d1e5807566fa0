import { defineCommand, type FlagValues } from '../../command.ts';
import { readConfig } from '../../config.ts';
import type { CommandContext } from '../../context.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle, toggleOn } from '../../flags/kinds.ts';
import { followSize, proxySignals, registerWait } from '../../run/attached.ts';
import { createContainer } from '../../run/create.ts';
import { runFailure, startFailure } from '../../run/failure.ts';
import { CONTAINER_FLAGS } from '../../run/flags.ts';
import { refuseOtherSystems } from '../../run/other-systems.ts';
import { joinStreams, type SessionEnd } from '../../run/session.ts';
import { type AttachedStreams, attachedStreams, containerSettings } from '../../run/settings.ts';
import { requireTerminal, terminalSize } from '../../terminal/terminal.ts';
import { containerPath } from '../each.ts';
import { detachKeys } from '../shared-flags.ts';

const FLAGS = {
  ...CONTAINER_FLAGS,
  detach: flag(toggle, { short: 'd', help: 'Leave it in the background and print its ID' }),
  'detach-keys': detachKeys,
  'sig-proxy': flag(toggleOn, { help: 'Pass signals on to it' }),
};
type RunFlags = FlagValues<typeof FLAGS>;

const NOTHING: AttachedStreams = { stdin: false, stdout: false, stderr: false };

/** A container on its way: what `run` holds between its steps. */
interface Session {
  readonly end: Promise<SessionEnd>;
}

async function prepare(flags: RunFlags, args: readonly string[]) {
  const [image = '', ...words] = args;
  const body = containerSettings(flags, image, words);
  let streams = attachedStreams(flags);
  if (flags.detach) {
    if (flags.attach.length > 0) {
      throw new CommandFailure('conflicting options: cannot specify both --attach and --detach');
    }
    streams = NOTHING;
    Object.assign(body, { AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false });
  } else requireTerminal(streams.stdin, flags.tty);
  const size = flags.tty ? terminalSize() : undefined;
  if (size !== undefined) body.HostConfig!.ConsoleSize = [size.height, size.width];
  return { body, streams };
}

async function attach(
  context: CommandContext,
  id: string,
  flags: RunFlags,
  streams: AttachedStreams,
): Promise<Session> {
  const keys = flags['detach-keys'] || readConfig(context.configDir).detachKeys || '';
  const { stream } = await context.client.hijack(containerPath(id, '/attach'), {
    query: { stream: true, ...streams, detachKeys: keys || undefined },
  });
  const end = joinStreams({ console: context.console, stream, tty: flags.tty, ...streams, detachKeys: keys });
  end.catch(() => {});
  return { end };
}

async function run(context: CommandContext, flags: RunFlags, args: readonly string[]): Promise<number> {
  refuseOtherSystems(flags);
  const prepared = await prepare(flags, args).catch((error: unknown) => {
    // These two docker prints as they are, with exit code 1.
    throw error instanceof CommandFailure && isPlain(error) ? error : runFailure(context, error);
  });
  const { body, streams } = prepared;
  const id = await createContainer(context, body, flags).catch((error: unknown) => {
    throw runFailure(context, error);
  });
  const attached = streams.stdin || streams.stdout || streams.stderr;
  const stopProxy = attached && flags['sig-proxy'] && !flags.tty ? proxySignals(context, id) : () => {};
  // Both before the start: output and exit code of the shortest command are seen.
  const [session, wait] = await Promise.all([
    attached ? attach(context, id, flags, streams) : undefined,
    flags.detach ? undefined : registerWait(context, id, flags.rm),
  ]).catch((error: unknown) => {
    throw runFailure(context, error);
  });
  try {
    await context.client.send('POST', containerPath(id, '/start'));
  } catch (error) {
    // The daemon ends the streams; waiting for that gives the terminal back before the message.
    if (!attached) context.console.out(`${id}\n`);
    await Promise.race([session?.end, Bun.sleep(2000)]).catch(() => {});
    if (flags.rm) await Promise.race([wait?.exitCode, Bun.sleep(10_000)]).catch(() => {});
    throw startFailure(context, error);
  }
  const stopSizes = attached && flags.tty ? followSize(context, containerPath(id)) : () => {};
  if (flags.detach || (!streams.stdout && !streams.stderr)) context.console.out(`${id}\n`);
  if (flags.detach) return 0;
  const end = await session?.end;
  if (end === 'detached') return 0;
  const exitCode = await wait!.exitCode;
  stopSizes();
  stopProxy();
  return exitCode;
}

const isPlain = (error: CommandFailure): boolean =>
  error.message === 'the input device is not a TTY' || error.message.includes('--attach and --detach');

export const command = defineCommand({
  name: 'run',
  summary: 'Create and run a new container from an image',
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  args: { min: 1 },
  interspersed: false,
  completes: 'image',
  flags: FLAGS,
  run,
});
