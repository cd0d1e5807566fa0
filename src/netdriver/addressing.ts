import { TareError } from '../base/errors.ts';
import { ipBytes, ipText } from '../kernel/netlink/addresses.ts';

/** A network of either family: its first address as a number, the prefix length, and 32 or 128 bits. */
export interface Cidr {
  readonly base: bigint;
  readonly prefix: number;
  readonly bits: 32 | 128;
}

/** An address as a number. Throws `invalid`. */
export function parseAddress(text: string): { value: bigint; bits: 32 | 128 } {
  let bytes: Buffer;
  try {
    bytes = ipBytes(text);
  } catch {
    throw new TareError('invalid', `invalid IP address: ${text}`);
  }
  return { value: BigInt(`0x${bytes.toString('hex')}`), bits: bytes.length === 4 ? 32 : 128 };
}

/** A number back as an address in text. */
export function formatAddress(value: bigint, bits: 32 | 128): string {
  return ipText(Buffer.from(value.toString(16).padStart(bits / 4, '0'), 'hex'));
}

/** `172.17.0.0/16` (host bits are cut off). Throws `invalid`. */
export function parseCidr(text: string): Cidr {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const fail = (): TareError => new TareError('invalid', `invalid CIDR address: ${text}`);
  if (!match?.[1] || !match[2]) throw fail();
  const { value, bits } = parseAddress(match[1]);
  const prefix = Number(match[2]);
  if (prefix > bits) throw fail();
  const host = BigInt(bits - prefix);
  return { base: (value >> host) << host, prefix, bits };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.base, cidr.bits)}/${cidr.prefix}`;
}

/** The last address of the network. */
export function lastAddress(cidr: Cidr): bigint {
  return cidr.base + (1n << BigInt(cidr.bits - cidr.prefix)) - 1n;
}

export function contains(cidr: Cidr, address: { value: bigint; bits: 32 | 128 }): boolean {
  return cidr.bits === address.bits && address.value >= cidr.base && address.value <= lastAddress(cidr);
}

/** True when the two networks share an address. */
export function overlaps(one: Cidr, other: Cidr): boolean {
  return one.bits === other.bits && one.base <= lastAddress(other) && other.base <= lastAddress(one);
}

/** The address without `/prefix`. */
export function bareAddress(cidr: string): string {
  return cidr.split('/')[0] ?? '';
}

/** Docker's classic address for an interface: 02:42 and the four bytes of its IPv4 address. */
export function macOf(ipv4: string): string {
  const hex = [...ipBytes(bareAddress(ipv4))].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['02', '42', ...hex].join(':');
}
