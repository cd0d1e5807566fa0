import { encodeFilters } from '../../../wire/filters.ts';
import type { ImagesPruneResponse } from '../../../wire/images.ts';
import { defineCommand } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { humanSize } from '../../format/size.ts';
import { forcePrune, longFilterFlag } from '../shared-flags.ts';

/** `untagged: x` and `deleted: y`, a line each. */
function prunedText(result: ImagesPruneResponse): string {
  const items = result.ImagesDeleted ?? [];
  if (items.length === 0) return '';
  const lines = items.map((item) =>
    'Deleted' in item ? `deleted: ${item.Deleted}\n` : `untagged: ${item.Untagged}\n`,
  );
  return `Deleted Images:\n${lines.join('')}\n`;
}

export const command = defineCommand({
  name: 'prune',
  summary: 'Remove unused images',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    all: flag(toggle, { short: 'a', help: 'Remove all unused images, not just those without a name' }),
    filter: longFilterFlag,
    force: forcePrune,
  },
  async run(context, flags) {
    const what = flags.all
      ? 'all images without at least one container associated to them'
      : 'all dangling images';
    const question = `WARNING! This will remove ${what}.\nAre you sure you want to continue?`;
    if (!flags.force && !(await confirm(context.console, question))) return 0;
    const filters = new Map([...flags.filter, ['dangling', [String(!flags.all)]] as const]);
    const result = await context.client.json<ImagesPruneResponse>('POST', '/images/prune', {
      query: { filters: encodeFilters(filters) },
    });
    context.console.out(`${prunedText(result)}Total reclaimed space: ${humanSize(result.SpaceReclaimed)}\n`);
    return 0;
  },
});
