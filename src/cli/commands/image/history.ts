import type { ImageHistoryItem } from '../../../wire/images.ts';
import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { text, toggle, toggleOn } from '../../flags/kinds.ts';
import { formatListing, type Listing, lazy, row } from '../../format/listing.ts';
import { humanSize } from '../../format/size.ts';
import { ago, localRfc3339 } from '../../format/time.ts';
import { ellipsis, truncateId } from '../../format/truncate.ts';
import { parsePlatformFlag } from '../../platform.ts';
import { listFormat, noTrunc } from '../shared-flags.ts';

const LISTING: Listing = {
  typeName: '*image.historyContext',
  headings: {
    ID: 'IMAGE',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    CreatedBy: 'CREATED BY',
    Size: 'SIZE',
    Comment: 'COMMENT',
  },
};
const table = (human: boolean): string =>
  `{{.ID}}\t{{.${human ? 'CreatedSince' : 'CreatedAt'}}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`;

function historyRow(item: ImageHistoryItem, human: boolean, trunc: boolean) {
  const by = item.CreatedBy.replaceAll('\t', ' ');
  const created = () => localRfc3339(item.Created);
  const known = item.Created > -62135596800;
  return row({
    ID: trunc ? truncateId(item.Id) : item.Id,
    CreatedAt: lazy(() => (known ? created() : '')),
    CreatedSince: lazy(() => (!known ? 'N/A' : human ? ago(item.Created) : created())),
    CreatedBy: trunc ? ellipsis(by, 45) : by,
    Size: human ? humanSize(item.Size, 3) : String(item.Size),
    Comment: item.Comment,
  });
}

export const command = defineCommand({
  name: 'history',
  summary: 'Show the history of an image',
  usage: '[OPTIONS] IMAGE',
  args: { min: 1, max: 1 },
  completes: 'image',
  flags: {
    format: listFormat,
    human: flag(toggleOn, { short: 'H', help: 'Print sizes and dates for people' }),
    'no-trunc': noTrunc,
    platform: flag(text, { help: 'Show the image for this platform, such as linux/amd64' }),
    quiet: flag(toggle, { short: 'q', help: 'Print ids only' }),
  },
  async run(context, flags, args) {
    const items = await context.client.json<ImageHistoryItem[]>('GET', `/images/${args[0]}/history`, {
      query: { platform: parsePlatformFlag(flags.platform) },
    });
    const rows = items.map((item) => historyRow(item, flags.human, !flags['no-trunc']));
    const text = flags.quiet
      ? rows.map((one) => `${one.ID}\n`).join('')
      : formatListing(LISTING, flags.format, table(flags.human), rows);
    context.console.out(text);
    return 0;
  },
});
