import type { ImageDeleteItem } from '../../../wire/images.ts';
import { DaemonError, NoDaemonError } from '../../client/client.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, describeError } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { strings, toggle } from '../../flags/kinds.ts';
import { parsePlatformFlag } from '../../platform.ts';

/** `Untagged: x` and `Deleted: y`, a line each. */
export function deletedText(items: readonly ImageDeleteItem[]): string {
  return items
    .map((item) => ('Deleted' in item ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`))
    .join('');
}

export const command = defineCommand({
  name: 'rm',
  summary: 'Remove one or more images',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  completes: 'image',
  flags: {
    force: flag(toggle, { short: 'f', help: 'Remove it even if a stopped container uses it' }),
    'no-prune': flag(toggle, { help: 'Keep parents that lose their last name' }),
    platform: flag(strings, { help: 'Remove only this platform, such as linux/amd64' }),
  },
  async run(context, flags, args) {
    const problems: string[] = [];
    let fatal = false;
    const platforms = flags.platform.map((platform) => parsePlatformFlag(platform, '') ?? '');
    for (const name of args) {
      try {
        const items = await context.client.json<ImageDeleteItem[]>('DELETE', `/images/${name}`, {
          query: {
            force: flags.force,
            noprune: flags['no-prune'],
            platforms,
          },
        });
        context.console.out(deletedText(items));
      } catch (error) {
        if (error instanceof NoDaemonError) throw error;
        if (!(error instanceof DaemonError) || error.status !== 404) fatal = true;
        problems.push(describeError(error));
      }
    }
    if (problems.length === 0) return 0;
    // With -f an image that isn't there is no failure.
    if (fatal || !flags.force) throw new CommandFailure(problems.join('\n'));
    context.console.err(`${problems.join('\n')}\n`);
    return 0;
  },
});
