import type { ProgressMessage } from '../../../wire/errors.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { list, text, toggle } from '../../flags/kinds.ts';
import { parsePlatformFlag } from '../../platform.ts';
import { showProgress } from '../../progress/progress.ts';
import { stdinIsTerminal, stdoutIsTerminal } from '../../terminal/terminal.ts';
import { fileBody, stdinBody } from '../archive-files.ts';

export const command = defineCommand({
  name: 'load',
  summary: 'Load an image from a tar archive or STDIN',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    input: flag(text, { short: 'i', help: 'Read from a tar archive file, instead of STDIN' }),
    platform: flag(list(undefined, 'string'), { help: 'Load only this platform, such as linux/amd64' }),
    quiet: flag(toggle, { short: 'q', help: 'Do not show the progress' }),
  },
  async run(context, flags) {
    if (flags.input === '' && stdinIsTerminal()) {
      throw new CommandFailure('requested load from stdin, but stdin is empty');
    }
    const quiet = flags.quiet || !stdoutIsTerminal();
    const messages = context.client.messages<ProgressMessage>('POST', '/images/load', {
      query: {
        quiet: quiet ? '1' : '0',
        platform: flags.platform.map((platform) => parsePlatformFlag(platform) ?? ''),
      },
      body: flags.input === '' ? stdinBody() : fileBody(flags.input),
      headers: { 'Content-Type': 'application/x-tar' },
    });
    await showProgress(messages, context.console, stdoutIsTerminal());
    return 0;
  },
});
