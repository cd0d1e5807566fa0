import { BlockList, isIP } from 'node:net';
import type { IpamConfig } from '../../wire/networks.ts';
import { CommandFailure } from '../failure.ts';

export interface SubnetFlags {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly auxiliary: Readonly<Record<string, string>>;
}

function parseCidr(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', prefix = '', ...more] = text.split('/');
  const version = isIP(address);
  const limit = version === 4 ? 32 : 128;
  if (version === 0 || more.length > 0 || !/^\d+$/.test(prefix) || Number(prefix) > limit) {
    throw new CommandFailure(`invalid CIDR address: ${text}`);
  }
  return { address, prefix: Number(prefix), family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** True when `address` lies in the network `cidr`. */
function contains(cidr: string, address: string): boolean {
  const network = parseCidr(cidr);
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  if (family !== network.family) return false;
  const block = new BlockList();
  block.addSubnet(network.address, network.prefix, network.family);
  return block.check(address, family);
}

/**
 * Sorts ranges, gateways and auxiliary addresses under the subnets that they belong to.
 * @throws CommandFailure in docker's words when one belongs to none, or subnets overlap.
 */
export function ipamConfigs(flags: SubnetFlags): IpamConfig[] {
  const { subnets } = flags;
  if (subnets.length < flags.ranges.length || subnets.length < flags.gateways.length) {
    throw new CommandFailure('every ip-range or gateway must have a corresponding subnet');
  }
  const configs = subnets.map((Subnet): IpamConfig => ({ Subnet }));
  for (const [index, subnet] of subnets.entries()) {
    const overlaps = subnets
      .slice(0, index)
      .some(
        (other) => contains(other, parseCidr(subnet).address) || contains(subnet, parseCidr(other).address),
      );
    if (overlaps) throw new CommandFailure('multiple overlapping subnet configuration is not supported');
  }
  const find = (address: string, what: string): IpamConfig => {
    const found = configs.find((config) => contains(config.Subnet!, address));
    if (found === undefined) throw new CommandFailure(`no matching subnet for ${what}`);
    return found;
  };
  for (const range of flags.ranges) {
    const config = find(parseCidr(range).address, `range ${range}`);
    if (config.IPRange)
      throw new CommandFailure(
        `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
      );
    config.IPRange = range;
  }
  for (const gateway of flags.gateways) {
    const config = find(gateway, `gateway ${gateway}`);
    if (config.Gateway)
      throw new CommandFailure(
        `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
      );
    config.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(flags.auxiliary)) {
    const config = find(address, `aux-address ${address}`);
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return configs;
}
