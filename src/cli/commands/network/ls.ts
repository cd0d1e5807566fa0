import { encodeFilters } from '../../../wire/filters.ts';
import type { NetworkResource } from '../../../wire/networks.ts';
import { defineCommand } from '../../command.ts';
import { configuredFormat } from '../../config.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { displayLabels } from '../../format/container-list.ts';
import { formatListing, type Listing, lazy, row } from '../../format/listing.ts';
import { goTime } from '../../format/time.ts';
import { truncateId } from '../../format/truncate.ts';
import { filterFlag, listFormat, noTrunc } from '../shared-flags.ts';

const LISTING: Listing = {
  typeName: '*network.networkContext',
  headings: {
    ID: 'NETWORK ID',
    Name: 'NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    IPv4: 'IPV4',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    Labels: 'LABELS',
    CreatedAt: 'CREATED AT',
  },
};
const TABLE = '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}';

function networkRow(network: NetworkResource, trunc: boolean) {
  const labels = network.Labels ?? {};
  const fraction = /\.\d+/.exec(network.Created)?.[0] ?? '';
  return row({
    ID: trunc ? truncateId(network.Id) : network.Id,
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    IPv4: String(network.EnableIPv4 ?? false),
    IPv6: String(network.EnableIPv6),
    Internal: String(network.Internal),
    Labels: displayLabels(labels),
    Label: (name: unknown) => labels[String(name)] ?? '',
    CreatedAt: lazy(() =>
      goTime(Math.floor(Date.parse(network.Created) / 1000), fraction.replace(/0+$/, '').replace(/^\.$/, '')),
    ),
  });
}

export const command = defineCommand({
  name: 'ls',
  summary: 'List networks',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    filter: filterFlag,
    format: listFormat,
    'no-trunc': noTrunc,
    quiet: flag(toggle, { short: 'q', help: 'Print ids only' }),
  },
  async run(context, flags) {
    const networks = await context.client.json<NetworkResource[]>('GET', '/networks', {
      query: { filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined },
    });
    networks.sort((left, right) => (left.Name < right.Name ? -1 : 1));
    const rows = networks.map((network) => networkRow(network, !flags['no-trunc']));
    if (flags.quiet && flags.format === '') {
      context.console.out(rows.map((one) => `${one.ID}\n`).join(''));
      return 0;
    }
    const format = flags.format || configuredFormat(context.configDir, 'networksFormat');
    context.console.out(formatListing(LISTING, format, TABLE, rows));
    return 0;
  },
});
