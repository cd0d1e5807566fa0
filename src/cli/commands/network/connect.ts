import type { EndpointIpamConfig } from '../../../wire/containers.ts';
import type { NetworkConnectBody } from '../../../wire/networks.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { int, list, strings, text } from '../../flags/kinds.ts';
import { checkLink } from '../../run/checks.ts';
import { keyValue } from '../../run/csv.ts';

function driverOptions(options: readonly string[]): Record<string, string> | null {
  if (options.length === 0) return null;
  return Object.fromEntries(
    options.map((option) => {
      const [key, value] = keyValue(option);
      if (value === undefined || key === '') {
        throw new CommandFailure('invalid key/value pair format in driver options');
      }
      return [key, value];
    }),
  );
}

export const command = defineCommand({
  name: 'connect',
  summary: 'Connect a container to a network',
  usage: '[OPTIONS] NETWORK CONTAINER',
  args: { min: 2, max: 2 },
  completes: 'network',
  flags: {
    alias: flag(strings, { help: 'Another name of the container in the network' }),
    'driver-opt': flag(strings, { help: 'Option of the driver' }),
    'gw-priority': flag(int, { help: 'Which network gives the default gateway: the highest' }),
    ip: flag(text, { help: 'IPv4 address (e.g., 172.30.100.104)' }),
    ip6: flag(text, { help: 'IPv6 address (e.g., 2001:db8::33)' }),
    link: flag(list(checkLink), { help: 'Make another container known by name' }),
    'link-local-ip': flag(strings, { help: 'Link-local address' }),
  },
  async run(context, flags, args) {
    const [network = '', Container = ''] = args;
    const addresses: EndpointIpamConfig = {
      ...(flags.ip === '' ? {} : { IPv4Address: flags.ip }),
      ...(flags.ip6 === '' ? {} : { IPv6Address: flags.ip6 }),
      ...(flags['link-local-ip'].length === 0 ? {} : { LinkLocalIPs: [...flags['link-local-ip']] }),
    };
    const body: NetworkConnectBody = {
      Container,
      EndpointConfig: {
        IPAMConfig: addresses,
        Links: flags.link.length === 0 ? null : [...flags.link],
        Aliases: flags.alias.length === 0 ? null : [...flags.alias],
        DriverOpts: driverOptions(flags['driver-opt']),
        GwPriority: flags['gw-priority'],
      },
    };
    await context.client.send('POST', `/networks/${encodeURIComponent(network)}/connect`, { json: body });
    return 0;
  },
});
