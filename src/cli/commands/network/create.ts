import type { IpamConfig, NetworkCreateBody, NetworkCreateResponse } from '../../../wire/networks.ts';
import { defineCommand } from '../../command.ts';
import { flag, optional } from '../../flags/flag.ts';
import { list, map, strings, text, textOr, toggle } from '../../flags/kinds.ts';
import { checkLabel } from '../../run/checks.ts';
import { readLabels } from '../../run/key-value-files.ts';
import { ipamConfigs } from '../../run/subnets.ts';

export const command = defineCommand({
  name: 'create',
  summary: 'Create a network',
  usage: '[OPTIONS] NETWORK',
  args: { min: 1, max: 1 },
  flags: {
    attachable: flag(toggle, { help: 'Let containers of a swarm be attached by hand' }),
    'aux-address': flag(map(), { help: 'Address that no container gets, as NAME=IP' }),
    'config-from': flag(text, { help: 'Network to take the configuration from' }),
    'config-only': flag(toggle, { help: 'Make a configuration only, no network' }),
    driver: flag(textOr('bridge'), { short: 'd', help: 'Driver of the network' }),
    gateway: flag(strings, { help: 'Gateway of a subnet' }),
    ingress: flag(toggle, { help: 'Make the routing mesh of a swarm', hidden: true }),
    internal: flag(toggle, { help: 'No way to the outside' }),
    'ip-range': flag(strings, { help: 'Part of a subnet that containers get addresses from' }),
    'ipam-driver': flag(textOr('default'), { help: 'Driver of the address management' }),
    'ipam-opt': flag(map(), { help: 'Option of the address management' }),
    ipv4: flag(optional(toggle), { help: 'Give IPv4 addresses', defaultText: 'true' }),
    ipv6: flag(optional(toggle), { help: 'Give IPv6 addresses' }),
    label: flag(list(checkLabel), { help: 'Set a label' }),
    opt: flag(map(), { short: 'o', help: 'Option of the driver' }),
    scope: flag(text, { help: "Scope of the network ('local' or 'swarm')", hidden: true }),
    subnet: flag(strings, { help: 'Subnet in CIDR form' }),
  },
  async run(context, flags, args) {
    const configs: IpamConfig[] = ipamConfigs({
      subnets: flags.subnet,
      ranges: flags['ip-range'],
      gateways: flags.gateway,
      auxiliary: flags['aux-address'],
    });
    const body: NetworkCreateBody = {
      Name: args[0]!,
      CheckDuplicate: true,
      Driver: flags.driver,
      Scope: flags.scope,
      Internal: flags.internal,
      Attachable: flags.attachable,
      Ingress: flags.ingress,
      ConfigOnly: flags['config-only'],
      ConfigFrom: flags['config-from'] === '' ? null : { Network: flags['config-from'] },
      IPAM: { Driver: flags['ipam-driver'], Options: { ...flags['ipam-opt'] }, Config: configs },
      ...(flags.ipv4 === undefined ? {} : { EnableIPv4: flags.ipv4 }),
      // Before 1.48 a daemon takes no null.
      ...(flags.ipv6 === undefined ? {} : { EnableIPv6: flags.ipv6 }),
      Options: { ...flags.opt },
      Labels: readLabels([], flags.label),
    };
    const created = await context.client.json<NetworkCreateResponse>('POST', '/networks/create', {
      json: body,
    });
    if (created.Warning) context.console.err(`WARNING: ${created.Warning}\n`);
    context.console.out(`${created.Id}\n`);
    return 0;
  },
});
