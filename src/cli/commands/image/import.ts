import type { ProgressMessage } from '../../../wire/errors.ts';
import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { list, text } from '../../flags/kinds.ts';
import { showProgress } from '../../progress/progress.ts';
import { splitReference } from '../../reference.ts';
import { stdoutIsTerminal } from '../../terminal/terminal.ts';
import { fileBody, stdinBody } from '../archive-files.ts';

export const command = defineCommand({
  name: 'import',
  summary: 'Import the contents from a tarball to create a filesystem image',
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  args: { min: 1 },
  completes: 'file',
  flags: {
    change: flag(list(), { short: 'c', help: 'Apply a Dockerfile instruction to the new image' }),
    message: flag(text, { short: 'm', help: 'A note kept with the image' }),
    platform: flag(text, { help: 'Platform of the image, such as linux/amd64' }),
  },
  async run(context, flags, args) {
    const [source = '', reference = ''] = args;
    const { repository, tag } = splitReference(reference);
    const isAddress = /^https?:\/\//i.test(source);
    const body = isAddress ? undefined : source === '-' ? stdinBody() : fileBody(source);
    const messages = context.client.messages<ProgressMessage>('POST', '/images/create', {
      query: {
        fromSrc: isAddress ? source : '-',
        repo: repository || undefined,
        tag: tag || undefined,
        message: flags.message || undefined,
        platform: flags.platform || undefined,
        changes: flags.change,
      },
      ...(body === undefined ? {} : { body, headers: { 'Content-Type': 'application/x-tar' } }),
    });
    await showProgress(messages, context.console, stdoutIsTerminal());
    return 0;
  },
});
