import { TareError } from '../base/errors.ts';
import { type Cidr, contains, formatAddress, lastAddress, parseAddress, parseCidr } from './addressing.ts';
import type { SubnetSpec } from './netdriver.ts';

/**
 * Addresses of one subnet. Given ascending from the last one given, as Docker does, so that an address that was
 * just freed is not given at once to somebody else. Kept in memory only: after a restart the caller claims again
 * what its containers hold, which costs a start no write of its own.
 */
class AddressPool {
  readonly subnet: Cidr;
  readonly #range: Cidr;
  readonly #taken = new Set<bigint>();
  readonly #first: bigint;
  readonly #last: bigint;
  #next: bigint;

  constructor(spec: SubnetSpec) {
    this.subnet = parseCidr(spec.subnet);
    this.#range = spec.ipRange ? parseCidr(spec.ipRange) : this.subnet;
    const last = lastAddress(this.subnet);
    // Point-to-point prefixes (/31, /127 and longer) have neither a network address nor a broadcast.
    const wide = this.subnet.bits - this.subnet.prefix > 1;
    const low = wide ? this.subnet.base + 1n : this.subnet.base;
    const high = wide && this.subnet.bits === 32 ? last - 1n : last;
    this.#first = this.#range.base > low ? this.#range.base : low;
    const rangeEnd = lastAddress(this.#range);
    this.#last = rangeEnd < high ? rangeEnd : high;
    this.#next = this.#first;
    for (const text of [spec.gateway, ...Object.values(spec.auxAddresses ?? {})]) {
      if (text) this.#taken.add(parseAddress(text).value);
    }
    if (wide) this.#taken.add(this.subnet.base);
    if (wide && this.subnet.bits === 32) this.#taken.add(last);
  }

  /** The next free address, or undefined when there is none. */
  next(): bigint | undefined {
    const size = this.#last - this.#first + 1n;
    for (let tried = 0n; tried < size; tried++) {
      const candidate = this.#next;
      this.#next = candidate >= this.#last ? this.#first : candidate + 1n;
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      return candidate;
    }
    return undefined;
  }

  /** Takes this very address. False when somebody has it. */
  claim(address: bigint): boolean {
    if (this.#taken.has(address)) return false;
    this.#taken.add(address);
    return true;
  }

  /** Puts the search behind an address that is in use since before a restart. */
  skipPast(address: bigint): void {
    if (address >= this.#next && address < this.#last) this.#next = address + 1n;
  }

  release(address: bigint): void {
    this.#taken.delete(address);
  }
}

/** The addresses of one network, over its subnets of both families. */
export class NetworkAddresses {
  readonly #pools: AddressPool[];
  readonly #label: string;

  /** `label` names the network in messages: `bridge (id)`. */
  constructor(subnets: readonly SubnetSpec[], label: string) {
    this.#pools = subnets.map((subnet) => new AddressPool(subnet));
    this.#label = label;
  }

  /**
   * Takes an address of the family (32 or 128 bits): `wanted`, or the next free one. The result has the prefix
   * length of its subnet (`172.17.0.2/16`); empty when the network has no such subnet. Throws `exhausted`,
   * `invalid` and, as Docker does, `forbidden` for an address that is taken.
   */
  take(bits: 32 | 128, wanted: string): string {
    const pools = this.#pools.filter((pool) => pool.subnet.bits === bits);
    if (wanted) {
      const address = parseAddress(wanted);
      const pool = pools.find((candidate) => contains(candidate.subnet, address));
      if (!pool) {
        throw new TareError('invalid', `no configured subnet or ip-range contain the IP address ${wanted}`);
      }
      if (!pool.claim(address.value)) throw new TareError('forbidden', 'Address already in use');
      return `${formatAddress(address.value, bits)}/${pool.subnet.prefix}`;
    }
    for (const pool of pools) {
      const address = pool.next();
      if (address !== undefined) return `${formatAddress(address, bits)}/${pool.subnet.prefix}`;
    }
    if (pools.length === 0) return '';
    const family = bits === 32 ? 'IPv4' : 'IPv6';
    throw new TareError(
      'exhausted',
      `no available ${family} addresses on this network's address pools: ${this.#label}`,
    );
  }

  /** Takes what somebody had before (`172.17.0.2/16`), when it is free; else the next free one, as `take`. */
  takeAgain(bits: 32 | 128, before: string): string {
    const found = this.#find(before);
    return found?.pool.claim(found.address) ? before : this.take(bits, '');
  }

  /** Claims what an endpoint held before a restart (`172.17.0.2/16`). False when another has it. */
  restore(cidr: string): boolean {
    const found = this.#find(cidr);
    if (!found) return true;
    found.pool.skipPast(found.address);
    return found.pool.claim(found.address);
  }

  /** Gives an address back. One that is not of this network is ignored. */
  release(cidr: string): void {
    const found = this.#find(cidr);
    found?.pool.release(found.address);
  }

  #find(cidr: string): { pool: AddressPool; address: bigint } | undefined {
    const [text] = cidr.split('/');
    if (!text) return undefined;
    const address = parseAddress(text);
    const pool = this.#pools.find((candidate) => contains(candidate.subnet, address));
    return pool && { pool, address: address.value };
  }
}

/** Networks that are cut into subnets of `size` bits of prefix, in the order they are used up. */
export interface AddressBlock {
  readonly base: string;
  readonly size: number;
}

/**
 * Docker's default pools (31 networks), and behind them a half of 10.0.0.0/8 in pieces of /24, so that a machine
 * with hundreds of networks needs no configuration.
 */
export const DEFAULT_BLOCKS: readonly AddressBlock[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
  { base: '10.128.0.0/9', size: 24 },
];

/** The first subnet of the blocks of that family that overlaps none of `taken`. Throws `exhausted`. */
export function freeSubnet(
  taken: readonly string[],
  blocks: readonly AddressBlock[] = DEFAULT_BLOCKS,
  bits: 32 | 128 = 32,
): string {
  const used = taken
    .map(parseCidr)
    .filter((other) => other.bits === bits)
    .map((other): Range => ({ first: other.base, last: lastAddress(other) }))
    .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  for (const { base, size } of blocks) {
    const whole = parseCidr(base);
    if (whole.bits !== bits) continue;
    const free = freePart(whole, size, used);
    if (free !== undefined) return `${formatAddress(free, bits)}/${size}`;
  }
  throw new TareError(
    'exhausted',
    'all predefined address pools have been fully subnetted: name a --subnet, remove networks, or add default-address-pools',
  );
}

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** The first piece of `whole` with a prefix of `size` bits that none of `used`, sorted by its first address, touches. */
function freePart(whole: Cidr, size: number, used: readonly Range[]): bigint | undefined {
  const step = 1n << BigInt(whole.bits - size);
  let base = whole.base;
  for (const { first, last } of used) {
    if (last < base) continue;
    if (first >= base + step) break;
    // On to the first piece behind what is in the way.
    base = whole.base + ((last - whole.base) / step + 1n) * step;
  }
  return base <= lastAddress(whole) ? base : undefined;
}

/** The address that Docker gives a bridge when none is asked for: the first of the range, else of the subnet. */
export function firstHost(subnet: string): string {
  const cidr = parseCidr(subnet);
  return formatAddress(cidr.bits - cidr.prefix > 1 ? cidr.base + 1n : cidr.base, cidr.bits);
}
