import type { ExecCreateBody, ExecCreateResponse, ExecInspect } from '../../../wire/exec.ts';
import { defineCommand, type FlagValues } from '../../command.ts';
import { readConfig } from '../../config.ts';
import type { CommandContext } from '../../context.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { list, text, toggle } from '../../flags/kinds.ts';
import { followSize, knowsConsoleSize } from '../../run/attached.ts';
import { checkEnvironment } from '../../run/checks.ts';
import { readEnvironment } from '../../run/key-value-files.ts';
import { joinStreams } from '../../run/session.ts';
import { requireTerminal, terminalSize } from '../../terminal/terminal.ts';
import { containerPath } from '../each.ts';
import { detachKeys } from '../shared-flags.ts';

const FLAGS = {
  detach: flag(toggle, { short: 'd', help: 'Leave the command in the background' }),
  'detach-keys': detachKeys,
  env: flag(list(checkEnvironment), { short: 'e', help: 'Set an environment variable' }),
  'env-file': flag(list(), { help: 'Read environment variables from a file' }),
  interactive: flag(toggle, { short: 'i', help: 'Keep STDIN open even if not attached' }),
  privileged: flag(toggle, { help: 'Give the command nearly all rights of the host' }),
  tty: flag(toggle, { short: 't', help: 'Give it a terminal' }),
  user: flag(text, { short: 'u', help: 'User and group to run as (<name|uid>[:<group|gid>])' }),
  workdir: flag(text, { short: 'w', help: 'Working directory in the container' }),
};
type ExecFlags = FlagValues<typeof FLAGS>;

function requestBody(flags: ExecFlags, words: readonly string[], keys: string): ExecCreateBody {
  const attached = !flags.detach;
  const size = flags.tty && attached ? terminalSize() : undefined;
  return {
    User: flags.user,
    Privileged: flags.privileged,
    Tty: flags.tty,
    AttachStdin: attached && flags.interactive,
    AttachStdout: attached,
    AttachStderr: attached,
    DetachKeys: keys,
    Env: readEnvironment(flags['env-file'], flags.env),
    WorkingDir: flags.workdir,
    Cmd: [...words],
    ...(size === undefined ? {} : { ConsoleSize: [size.height, size.width] as [number, number] }),
  };
}

async function run(context: CommandContext, flags: ExecFlags, args: readonly string[]): Promise<number> {
  const [container = '', ...words] = args;
  if (!flags.detach) requireTerminal(flags.interactive, flags.tty);
  const keys = flags['detach-keys'] || readConfig(context.configDir).detachKeys || '';
  const body = requestBody(flags, words, keys);
  const { Id } = await context.client.json<ExecCreateResponse>('POST', containerPath(container, '/exec'), {
    json: body,
  });
  const path = `/exec/${Id}`;
  const start = {
    Detach: flags.detach,
    Tty: flags.tty,
    ...(body.ConsoleSize && knowsConsoleSize(context) ? { ConsoleSize: body.ConsoleSize } : {}),
  };
  if (flags.detach) {
    await context.client.send('POST', `${path}/start`, { json: start });
    return 0;
  }
  const { stream } = await context.client.hijack(`${path}/start`, { json: start });
  const stopSizes = flags.tty ? followSize(context, path) : () => {};
  const end = await joinStreams({
    console: context.console,
    stream,
    tty: flags.tty,
    stdin: flags.interactive,
    stdout: true,
    stderr: true,
    detachKeys: keys,
  });
  stopSizes();
  if (end === 'detached') throw new CommandFailure('read escape sequence');
  const ended = await context.client.json<ExecInspect>('GET', `${path}/json`);
  return ended.ExitCode ?? 0;
}

export const command = defineCommand({
  name: 'exec',
  summary: 'Execute a command in a running container',
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  args: { min: 2 },
  interspersed: false,
  completes: 'running-container',
  flags: FLAGS,
  run,
});
