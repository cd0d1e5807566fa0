import { TareError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { bareAddress, formatCidr, overlaps, parseCidr } from '../../netdriver/addressing.ts';
import { type AddressBlock, firstHost, freeSubnet } from '../../netdriver/ipam.ts';
import type { SubnetSpec } from '../../netdriver/netdriver.ts';
import type { Network } from './networks.ts';
import { BridgeOption } from './request.ts';

/** How the default bridge network is to be: dockerd's flags of the same names. */
export interface DefaultBridge {
  /** `--bridge`: the link's name. */
  readonly link: string;
  /** `--bip`: the bridge's address with prefix length. */
  readonly bip?: string | undefined;
  /** `--fixed-cidr`: where addresses are given from. */
  readonly fixedCidr?: string | undefined;
  readonly mtu: number;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** `--ip`: where ports are published. */
  readonly hostBinding: string;
}

export const DEFAULT_BRIDGE: DefaultBridge = {
  link: 'tare0',
  mtu: 1500,
  icc: true,
  masquerade: true,
  hostBinding: '0.0.0.0',
};

/** What the choice of a subnet looks at. */
export interface HostView {
  /** Networks in use on the host, but for those of the links `except`. */
  taken(except: readonly string[]): string[];
  addressOf(link: string): string | undefined;
}

/**
 * The default network as configured. Its subnet: that of `--bip`, else that of `before` unless the host uses it
 * by now, else that of a bridge which is there already, else the first free one.
 */
export function defaultNetwork(
  wanted: DefaultBridge,
  before: Network | undefined,
  host: HostView,
  otherNetworks: readonly string[],
  now: number,
  pools?: readonly AddressBlock[],
): Network {
  return {
    id: before?.id ?? newId(),
    name: 'bridge',
    driver: 'bridge',
    bridgeName: wanted.link,
    subnets: [chooseSubnet(wanted, before, host, otherNetworks, pools)],
    internal: false,
    mtu: wanted.mtu,
    icc: wanted.icc,
    masquerade: wanted.masquerade,
    hostBinding: wanted.hostBinding,
    createdAt: before?.createdAt ?? now,
    scope: 'local',
    enableIPv6: false,
    attachable: false,
    labels: {},
    options: {
      [BridgeOption.DEFAULT]: 'true',
      [BridgeOption.ICC]: String(wanted.icc),
      [BridgeOption.MASQUERADE]: String(wanted.masquerade),
      [BridgeOption.HOST_BINDING]: wanted.hostBinding,
      [BridgeOption.NAME]: wanted.link,
      [BridgeOption.MTU]: String(wanted.mtu),
    },
    ipamDriver: 'default',
    ipamOptions: {},
  };
}

function chooseSubnet(
  wanted: DefaultBridge,
  before: Network | undefined,
  host: HostView,
  otherNetworks: readonly string[],
  pools?: readonly AddressBlock[],
): SubnetSpec {
  const range = wanted.fixedCidr ? { ipRange: formatCidr(parseCidr(wanted.fixedCidr)) } : {};
  if (wanted.bip) {
    const cidr = parseCidr(wanted.bip);
    if (cidr.bits !== 32) throw new TareError('invalid', `--bip ${wanted.bip} is not an IPv4 address`);
    const clash = otherNetworks.find((other) => overlaps(parseCidr(other), cidr));
    if (clash)
      throw new TareError(
        'conflict',
        `--bip ${wanted.bip} overlaps with ${clash}, the subnet of another network`,
      );
    return { subnet: formatCidr(cidr), gateway: bareAddress(wanted.bip), ...range };
  }
  const taken = host.taken([wanted.link]);
  const [old] = before?.subnets ?? [];
  const sameLink = before?.bridgeName === wanted.link;
  if (old && sameLink && !taken.some((other) => overlaps(parseCidr(old.subnet), parseCidr(other)))) {
    return { subnet: old.subnet, gateway: old.gateway, ...range };
  }
  const present = host.addressOf(wanted.link);
  if (present && !old)
    return { subnet: formatCidr(parseCidr(present)), gateway: bareAddress(present), ...range };
  const subnet = freeSubnet([...taken, ...otherNetworks], pools);
  return { subnet, gateway: firstHost(subnet), ...range };
}

/** A predefined network without anything in the kernel: `host` and `none`. */
export function passiveNetwork(name: 'host' | 'none', now: number): Network {
  return {
    id: newId(),
    name,
    driver: name === 'host' ? 'host' : 'null',
    bridgeName: '',
    subnets: [],
    internal: false,
    mtu: 0,
    icc: true,
    masquerade: false,
    hostBinding: '',
    createdAt: now,
    scope: 'local',
    enableIPv6: false,
    attachable: false,
    labels: {},
    options: {},
    ipamDriver: 'default',
    ipamOptions: {},
  };
}
