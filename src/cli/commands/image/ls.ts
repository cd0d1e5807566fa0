import { encodeFilters } from '../../../wire/filters.ts';
import type { ImageSummary } from '../../../wire/images.ts';
import { defineCommand } from '../../command.ts';
import { configuredFormat } from '../../config.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { IMAGE_LISTING, imageRows, imageTable } from '../../format/image-list.ts';
import { imageTree } from '../../format/image-tree.ts';
import { formatListing } from '../../format/listing.ts';
import { stdoutIsTerminal, terminalSize } from '../../terminal/terminal.ts';
import { filterFlag, listFormat, noTrunc } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'ls',
  summary: 'List images',
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  args: { min: 0, max: 1 },
  completes: 'image',
  flags: {
    all: flag(toggle, { short: 'a', help: 'Show all images, also those that are only steps of others' }),
    digests: flag(toggle, { help: 'Show digests' }),
    filter: filterFlag,
    format: listFormat,
    'no-trunc': noTrunc,
    quiet: flag(toggle, { short: 'q', help: 'Print ids only' }),
    tree: flag(toggle, { help: 'Show the platforms of each image, as a tree' }),
  },
  async run(context, flags, args) {
    const filters = new Map(flags.filter);
    if (args[0] !== undefined) filters.set('reference', [...(filters.get('reference') ?? []), args[0]]);
    const excluded = (['quiet', 'no-trunc', 'digests', 'format'] as const).find((name) => flags[name]);
    if (flags.tree && excluded) throw new CommandFailure(`--${excluded} is not yet supported with --tree`);
    const images = await context.client.json<ImageSummary[]>('GET', '/images/json', {
      query: {
        all: flags.all,
        filters: filters.size > 0 ? encodeFilters(filters) : undefined,
        manifests: flags.tree,
      },
    });
    if (flags.tree) {
      const shown = flags.all ? images : images.filter(({ RepoTags }) => (RepoTags ?? []).length > 0);
      const terminal = stdoutIsTerminal();
      const width = Math.max(20, terminalSize()?.width ?? 80);
      context.console.out(imageTree(shown, { width, colours: terminal && !process.env.NO_COLOR }));
      return 0;
    }
    const rows = imageRows(images, { trunc: !flags['no-trunc'], digests: flags.digests });
    if (flags.quiet && flags.format === '') {
      context.console.out(rows.map((one) => `${one.ID}\n`).join(''));
      return 0;
    }
    const format = flags.format || configuredFormat(context.configDir, 'imagesFormat');
    context.console.out(formatListing(IMAGE_LISTING, format, imageTable(flags.digests), rows));
    return 0;
  },
});
