import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text, toggle, toggleOn } from '../../flags/kinds.ts';
import { pullImage } from '../../progress/pull.ts';
import { splitReference } from '../../reference.ts';
import { stdoutIsTerminal } from '../../terminal/terminal.ts';

/** The full name of an image, as docker prints it after a pull. */
function canonical(repository: string, rest: string): string {
  const first = repository.split('/')[0]!;
  if (repository.includes('/') && (/[.:]/.test(first) || first === 'localhost'))
    return `${repository}${rest}`;
  return `docker.io/${repository.includes('/') ? '' : 'library/'}${repository}${rest}`;
}

export const command = defineCommand({
  name: 'pull',
  summary: 'Download an image from a registry',
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  args: { min: 1, max: 1 },
  flags: {
    'all-tags': flag(toggle, { short: 'a', help: 'Download all tags of the repository' }),
    'disable-content-trust': flag(toggleOn, { help: 'Skip image verification', hidden: true }),
    platform: flag(text, { help: 'Platform to download, such as linux/amd64' }),
    quiet: flag(toggle, { short: 'q', help: 'Print only the name of what was pulled' }),
  },
  async run(context, flags, args) {
    const image = args[0]!;
    const { repository, tag, digest } = splitReference(image);
    const named = tag !== '' || digest !== '';
    if (flags['all-tags'] && named) throw new CommandFailure("tag can't be used with --all-tags/-a");
    if (!named && !flags['all-tags'] && !flags.quiet) context.console.out('Using default tag: latest\n');
    const console = flags.quiet ? { ...context.console, out: () => {} } : context.console;
    await pullImage(context, {
      image,
      platform: flags.platform,
      allTags: flags['all-tags'],
      console,
      terminal: !flags.quiet && stdoutIsTerminal(),
    });
    const suffix = digest !== '' ? `@${digest}` : flags['all-tags'] ? '' : `:${tag || 'latest'}`;
    context.console.out(`${canonical(repository, suffix)}\n`);
    return 0;
  },
});
