import { isIP } from 'node:net';
import { TareError } from '../../base/errors.ts';
import { contains, parseAddress, parseCidr } from '../../netdriver/addressing.ts';
import type { ContainerEndpoint, EndpointSettings } from '../containers/model.ts';
import type { Network } from './networks.ts';
import { isPredefined } from './request.ts';

/** Docker's names of `--driver-opt` of an endpoint. */
export const EndpointOption = {
  /** The interface's name in the container. */
  IFNAME: 'com.docker.network.endpoint.ifname',
  /** Settings below `net.` with IFNAME for the interface: `net.ipv4.conf.IFNAME.log_martians=1,…`. */
  SYSCTLS: 'com.docker.network.endpoint.sysctls',
} as const;

const LINK_LOCAL = [parseCidr('169.254.0.0/16'), parseCidr('fe80::/64')];
/** The stock client sends all of it in small letters. */
const SYSCTL = /^net\.(ipv4|ipv6|mpls)\.(conf|neigh)\.(?:IFNAME|ifname)\.(\w+)=(\S*)$/;

/**
 * What Docker refuses of an endpoint's settings before anything is made: addresses and aliases of one's own need
 * a network of one's own. Call it when a container is created or connected. Throws `invalid`.
 */
export function checkEndpointSettings(network: Network, settings: EndpointSettings): void {
  const problems: string[] = [];
  const { ipv4Address, ipv6Address, linkLocalIPs, aliases, macAddress } = settings;
  if (isPredefined(network.name)) {
    if (ipv4Address || ipv6Address) {
      problems.push('user specified IP address is supported on user defined networks only');
    }
    if (aliases.length > 0) {
      problems.push('network-scoped alias is supported only for containers in user defined networks');
    }
  }
  const families = network.subnets.map(({ subnet }) => parseCidr(subnet).bits);
  const without = (ipv4Address && !families.includes(32)) || (ipv6Address && !families.includes(128));
  if (without && !isPredefined(network.name)) {
    problems.push(
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    );
  }
  if (ipv4Address && isIP(ipv4Address) !== 4) problems.push(`invalid IPv4 address: ${ipv4Address}`);
  if (ipv6Address && isIP(ipv6Address) !== 6) problems.push(`invalid IPv6 address: ${ipv6Address}`);
  for (const address of linkLocalIPs) {
    if (!isLinkLocal(address)) problems.push(`invalid link-local IP address: ${address}`);
  }
  if (macAddress && !/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(macAddress)) {
    problems.push(`invalid MAC address: ${macAddress}`);
  }
  if (macAddress && network.driver === 'ipvlan') {
    problems.push('ipvlan interfaces do not support custom mac address assignment');
  }
  problems.push(...driverOptionProblems(settings.driverOpts));
  if (problems.length === 0) return;
  throw new TareError(
    'invalid',
    `invalid config for network ${network.name}: invalid endpoint settings:\n${problems.join('\n')}`,
  );
}

function isLinkLocal(address: string): boolean {
  if (isIP(address) === 0) return false;
  const parsed = parseAddress(address);
  return LINK_LOCAL.some((net) => contains(net, parsed));
}

function driverOptionProblems(options: Readonly<Record<string, string>>): string[] {
  const problems: string[] = [];
  const ifname = options[EndpointOption.IFNAME];
  if (ifname !== undefined && (!/^[^\s/:]{1,15}$/.test(ifname) || /^(\.{1,2}|lo)$/.test(ifname))) {
    problems.push(
      `invalid interface name ${JSON.stringify(ifname)}: at most 15 characters, no spaces, / or :`,
    );
  }
  for (const setting of sysctlsOf(options)) {
    if (!SYSCTL.test(setting)) {
      problems.push(
        `unrecognised network interface sysctl '${setting}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls' and 'Y' must be 'conf' or 'neigh'`,
      );
    }
  }
  return problems;
}

function sysctlsOf(options: Readonly<Record<string, string>>): string[] {
  return (options[EndpointOption.SYSCTLS] ?? '').split(',').filter((setting) => setting !== '');
}

/** The settings of the endpoint's interface as paths below /proc/sys. */
export function endpointSysctls(
  endpoint: Pick<ContainerEndpoint, 'settings' | 'interfaceName'>,
): Array<readonly [string, string]> {
  return sysctlsOf(endpoint.settings.driverOpts).flatMap((setting) => {
    const [, family, kind, name, value = ''] = SYSCTL.exec(setting) ?? [];
    return family ? [[`net/${family}/${kind}/${endpoint.interfaceName}/${name}`, value] as const] : [];
  });
}
