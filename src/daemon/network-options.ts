import { isIP } from 'node:net';
import { TareError } from '../base/errors.ts';
import { DEFAULT_BRIDGE, type DefaultBridge } from '../engine/networks/default-network.ts';
import { formatCidr, parseCidr } from '../netdriver/addressing.ts';
import type { AddressBlock } from '../netdriver/ipam.ts';

/** dockerd's settings of networks, but for `--bridge`. */
export interface NetworkOptions {
  /** CIDR of the default bridge's own address, or empty. */
  readonly bip: string;
  /** Part of the default bridge's subnet that containers get addresses from, or empty. */
  readonly fixedCidr: string;
  /** Bytes; undefined: 1500. */
  readonly mtu: number | undefined;
  /** Containers on the default bridge may talk to each other. */
  readonly icc: boolean;
  /** Source NAT from the default bridge to the outside. */
  readonly masquerade: boolean;
  /** Address that ports are published at when none is named. */
  readonly hostBinding: string;
  /** Where networks without a subnet of their own get one; empty: the defaults. */
  readonly addressPools: readonly AddressBlock[];
}

export const NETWORK_FLAGS = {
  bip: { type: 'string' },
  'default-address-pool': { type: 'string', multiple: true },
  'fixed-cidr': { type: 'string' },
  icc: { type: 'string' },
  ip: { type: 'string' },
  'ip-masq': { type: 'string' },
  mtu: { type: 'string' },
} as const;

export const NETWORK_KEYS = {
  bip: { kind: 'string', flag: 'bip' },
  'default-address-pools': { kind: 'list of pools', flag: 'default-address-pool' },
  'fixed-cidr': { kind: 'string', flag: 'fixed-cidr' },
  icc: { kind: 'boolean', flag: 'icc' },
  ip: { kind: 'string', flag: 'ip' },
  'ip-masq': { kind: 'boolean', flag: 'ip-masq' },
  mtu: { kind: 'number', flag: 'mtu' },
} as const;

type Flags = { readonly [Name in keyof typeof NETWORK_FLAGS]?: string | string[] | undefined };

/** Reads them from flags and file. Throws `invalid`. */
export function readNetworkOptions(flags: Flags, file: Readonly<Record<string, unknown>>): NetworkOptions {
  const text = (name: 'bip' | 'fixed-cidr' | 'ip'): string => String(flags[name] ?? file[name] ?? '');
  const truth = (name: 'icc' | 'ip-masq'): boolean => {
    const value = String(flags[name] ?? file[name] ?? 'true');
    if (value !== 'true' && value !== 'false') throw invalid(`invalid ${name} "${value}": use true or false`);
    return value === 'true';
  };
  const [fixedCidr, hostBinding] = [text('fixed-cidr'), text('ip')];
  if (fixedCidr !== '') cidr('fixed-cidr', fixedCidr);
  if (hostBinding !== '' && isIP(hostBinding) !== 4)
    throw invalid(`invalid ip "${hostBinding}": use an IPv4 address`);
  const mtu = flags.mtu ?? file.mtu;
  if (mtu !== undefined && !(Number(mtu) >= 68 && Number(mtu) <= 65_535)) {
    throw invalid(`invalid mtu ${mtu}: use 68 to 65535 bytes`);
  }
  const named = flags['default-address-pool'];
  return {
    bip: text('bip'),
    fixedCidr,
    mtu: mtu === undefined ? undefined : Number(mtu),
    icc: truth('icc'),
    masquerade: truth('ip-masq'),
    hostBinding: hostBinding || '0.0.0.0',
    addressPools:
      named === undefined
        ? ((file['default-address-pools'] ?? []) as Array<{ base: string; size: number }>).map(pool)
        : [named].flat().map(poolOfFlag),
  };
}

/** The default bridge that these ask for. */
export function defaultBridge(link: string, options: NetworkOptions): DefaultBridge {
  const { bip, fixedCidr, mtu, icc, masquerade, hostBinding } = options;
  return {
    link,
    bip: bip || undefined,
    fixedCidr: fixedCidr || undefined,
    mtu: mtu ?? DEFAULT_BRIDGE.mtu,
    ...{ icc, masquerade, hostBinding },
  };
}

/** True for the value of `default-address-pools`. */
export function isPoolList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (member) =>
        typeof member === 'object' &&
        member !== null &&
        typeof member.base === 'string' &&
        typeof member.size === 'number',
    )
  );
}

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

function cidr(what: string, text: string) {
  try {
    return parseCidr(text);
  } catch {
    throw invalid(`invalid ${what} "${text}": write it as 10.10.0.0/16`);
  }
}

/** `base=10.10.0.0/16,size=24` */
function poolOfFlag(text: string): AddressBlock {
  const entries = new Map(text.split(',').map((part) => part.split('=', 2) as [string, string | undefined]));
  const size = entries.get('size') ?? '';
  if (entries.size !== 2 || !entries.get('base') || !/^\d+$/.test(size)) {
    throw invalid(`invalid default-address-pool "${text}": write it as base=10.10.0.0/16,size=24`);
  }
  return pool({ base: entries.get('base') ?? '', size: Number(size) });
}

function pool({ base, size }: { base: string; size: number }): AddressBlock {
  const whole = cidr('default address pool', base);
  if (!Number.isInteger(size) || size < whole.prefix || size > whole.bits - 2) {
    throw invalid(
      `invalid default address pool ${base}: its size ${size} is the prefix length of one network, ${whole.prefix} to ${whole.bits - 2} here`,
    );
  }
  return { base: formatCidr(whole), size };
}
