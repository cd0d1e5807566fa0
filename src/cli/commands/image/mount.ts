import type { ImageMountEntry } from '../../../wire/image-mounts.ts';
import { defineCommand } from '../../command.ts';
import { forEachItem } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { formatListing, type Listing, row } from '../../format/listing.ts';
import { truncateId } from '../../format/truncate.ts';
import { listFormat, noTrunc } from '../shared-flags.ts';

const LISTING: Listing = {
  typeName: '*formatter.imageMountContext',
  headings: { ID: 'IMAGE ID', Image: 'IMAGE', Path: 'PATH' },
};
const TABLE = '{{.ID}}\t{{.Image}}\t{{.Path}}';

export const command = defineCommand({
  name: 'mount',
  summary: 'Mount images read-only to look inside, and print where; without arguments list what is mounted',
  usage: '[OPTIONS] [IMAGE...]',
  args: { min: 0 },
  completes: 'image',
  flags: {
    format: listFormat,
    'no-trunc': noTrunc,
    quiet: flag(toggle, { short: 'q', help: 'Print paths only' }),
  },
  async run(context, flags, args) {
    const path = '/tare/image-mounts';
    if (args.length > 0) {
      await forEachItem(args, async (image) => {
        const entry = await context.client.json<ImageMountEntry>('POST', path, { query: { image } });
        context.console.out(`${entry.Path}\n`);
      });
      return 0;
    }
    const entries = await context.client.json<ImageMountEntry[]>('GET', path);
    if (flags.quiet && flags.format === '') {
      context.console.out(entries.map(({ Path }) => `${Path}\n`).join(''));
      return 0;
    }
    const rows = entries.map(({ Id, RepoTags, Path }) =>
      row({ ID: flags['no-trunc'] ? Id : truncateId(Id), Image: RepoTags[0] ?? '<none>', Path }),
    );
    context.console.out(formatListing(LISTING, flags.format, TABLE, rows));
    return 0;
  },
});
