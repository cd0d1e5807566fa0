import { isIP } from 'node:net';
import { TareError } from '../../base/errors.ts';
import { newId, shortId } from '../../base/ids.ts';
import {
  contains,
  formatCidr,
  lastAddress,
  overlaps,
  parseAddress,
  parseCidr,
} from '../../netdriver/addressing.ts';
import { type AddressBlock, firstHost, freeSubnet } from '../../netdriver/ipam.ts';
import type { GatewayMode, SubnetSpec } from '../../netdriver/netdriver.ts';
import type { CreateNetwork, Network } from './networks.ts';

/** Docker's names of a bridge network's options. */
export const BridgeOption = {
  DEFAULT: 'com.docker.network.bridge.default_bridge',
  ICC: 'com.docker.network.bridge.enable_icc',
  MASQUERADE: 'com.docker.network.bridge.enable_ip_masquerade',
  HOST_BINDING: 'com.docker.network.bridge.host_binding_ipv4',
  NAME: 'com.docker.network.bridge.name',
  MTU: 'com.docker.network.driver.mtu',
  MODE4: 'com.docker.network.bridge.gateway_mode_ipv4',
  MODE6: 'com.docker.network.bridge.gateway_mode_ipv6',
  INHIBIT: 'com.docker.network.bridge.inhibit_ipv4',
} as const;

const PREDEFINED = new Set(['bridge', 'host', 'none', 'default']);

export function isPredefined(name: string): boolean {
  return PREDEFINED.has(name);
}

/** What a new network must keep away from. */
export interface Surroundings {
  /** Subnets of our own networks. */
  readonly own: readonly string[];
  /** Networks that the host uses. */
  host(): string[];
  /** Links of our other networks. */
  readonly bridgeNames: readonly string[];
  readonly defaultMtu: number;
  /** Where subnets come from that nobody named; undefined: the defaults. */
  readonly pools?: readonly AddressBlock[];
}

/** Turns a request into a bridge network. Throws `invalid`, `forbidden` and `exhausted` in Docker's words. */
export function bridgeNetwork(request: CreateNetwork, around: Surroundings, now: number): Network {
  const id = newId();
  const { options } = request;
  refuseUnsupported(options);
  const bridgeName = options[BridgeOption.NAME] || `br-${shortId(id)}`;
  if (bridgeName.length > 15 || /[\s/]|^\.{1,2}$/.test(bridgeName)) {
    throw new TareError(
      'invalid',
      `invalid bridge name ${JSON.stringify(bridgeName)}: at most 15 characters, no spaces or /`,
    );
  }
  if (around.bridgeNames.includes(bridgeName)) {
    throw new TareError('conflict', `bridge name ${bridgeName} is in use by another network`);
  }
  const hostBinding = options[BridgeOption.HOST_BINDING] || '0.0.0.0';
  if (isIP(hostBinding) !== 4) {
    throw new TareError(
      'invalid',
      `invalid ${BridgeOption.HOST_BINDING}: ${hostBinding} is not an IPv4 address`,
    );
  }
  return {
    id,
    name: request.name,
    driver: 'bridge',
    bridgeName,
    subnets: chooseSubnets(request, id, around),
    internal: request.internal,
    mtu: mtuOption(options[BridgeOption.MTU], around.defaultMtu),
    icc: booleanOption(options, BridgeOption.ICC, true),
    masquerade: booleanOption(options, BridgeOption.MASQUERADE, true),
    hostBinding,
    ...gatewayOptions(request),
    createdAt: now,
    scope: 'local',
    enableIPv6: request.enableIPv6,
    attachable: request.attachable,
    labels: request.labels,
    options,
    ipamDriver: request.ipamDriver || 'default',
    ipamOptions: request.ipamOptions,
    ...(request.configFrom ? { configFrom: request.configFrom } : {}),
  };
}

const GATEWAY_MODES: readonly GatewayMode[] = ['nat', 'nat-unprotected', 'routed', 'isolated'];

/** How packets get in and out, where it is not as usual. */
function gatewayOptions({ options, internal }: CreateNetwork): Pick<Network, 'gatewayModes' | 'inhibitIPv4'> {
  const mode = (name: string): GatewayMode => {
    const text = options[name] || 'nat';
    const found = GATEWAY_MODES.find((known) => known === text);
    if (!found)
      throw new TareError('invalid', `unknown gateway mode ${text}: use ${GATEWAY_MODES.join(', ')}`);
    if (found === 'isolated' && !internal) {
      throw new TareError('invalid', "gateway mode 'isolated' can only be used for an internal network");
    }
    return found;
  };
  const gatewayModes = { ipv4: mode(BridgeOption.MODE4), ipv6: mode(BridgeOption.MODE6) };
  return {
    ...(gatewayModes.ipv4 === 'nat' && gatewayModes.ipv6 === 'nat' ? {} : { gatewayModes }),
    ...(booleanOption(options, BridgeOption.INHIBIT, false) ? { inhibitIPv4: true } : {}),
  };
}

/** Options of Docker that would change what a network does and that we do not have: better refused than ignored. */
const REFUSED_OPTIONS: ReadonlyArray<readonly [name: string, harmless: RegExp]> = [
  ['com.docker.network.container_iface_prefix', /^(eth)?$/],
  ['com.docker.network.enable_ipv4', /^(1|t|T|TRUE|true|True)?$/],
];

function refuseUnsupported(options: Readonly<Record<string, string>>): void {
  for (const [name, harmless] of REFUSED_OPTIONS) {
    const value = options[name] ?? '';
    if (harmless.test(value)) continue;
    throw new TareError(
      'invalid',
      `option ${name}=${value} is not supported by this version of Tare: leave it out`,
    );
  }
}

/** The subnets of a new network, of both families as asked for. */
export function chooseSubnets(request: CreateNetwork, id: string, around: Surroundings): SubnetSpec[] {
  const subnets: SubnetSpec[] = [];
  for (const wanted of request.subnets) {
    const taken = [...around.own, ...subnets.map((entry) => entry.subnet)];
    const subnet = wanted.subnet
      ? checkSubnet(wanted.subnet, taken)
      : freeSubnet([...taken, ...around.host()], around.pools);
    subnets.push(completeSubnet({ ...wanted, subnet }));
  }
  const bits = subnets.map((entry) => parseCidr(entry.subnet).bits);
  if (!bits.includes(32)) {
    const subnet = freeSubnet([...around.own, ...around.host()], around.pools);
    subnets.unshift({ subnet, gateway: firstHost(subnet) });
  }
  if (bits.includes(128) && !request.enableIPv6) {
    return subnets.filter((entry) => parseCidr(entry.subnet).bits === 32);
  }
  if (request.enableIPv6 && !bits.includes(128)) {
    const pools = (around.pools ?? []).filter(({ base }) => base.includes(':'));
    // Else a unique local prefix (RFC 4193) of its own for the network, as Docker gives since 27.
    const subnet =
      pools.length > 0
        ? freeSubnet([...around.own, ...around.host()], pools, 128)
        : formatCidr(parseCidr(`fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6, 10)}::/64`));
    subnets.push({ subnet, gateway: firstHost(subnet) });
  }
  return subnets;
}

function invalid(message: string): TareError {
  return new TareError('invalid', `invalid network config:\n${message}`);
}

function checkSubnet(subnet: string, taken: readonly string[]): string {
  let plain: string;
  try {
    plain = formatCidr(parseCidr(subnet));
  } catch {
    throw invalid(`invalid subnet ${subnet}: invalid CIDR block notation`);
  }
  if (plain !== subnet && parseCidr(subnet).bits === 32) {
    throw invalid(`invalid subnet ${subnet}: it should be ${plain}`);
  }
  if (taken.some((other) => overlaps(parseCidr(other), parseCidr(plain)))) {
    throw new TareError(
      'forbidden',
      'invalid pool request: Pool overlaps with other one on this address space',
    );
  }
  return plain;
}

/** A subnet as asked for, checked, with its gateway. Throws `invalid` and, as Docker, `forbidden` for what is taken twice. */
export function completeSubnet(wanted: CreateNetwork['subnets'][number]): SubnetSpec {
  const cidr = parseCidr(wanted.subnet);
  const inside = (what: string, text: string): void => {
    if (isIP(text) === 0) throw invalid(`invalid ${what} ${text}: not an IP address`);
    if (!contains(cidr, parseAddress(text))) {
      throw invalid(`invalid ${what} ${text}: parent subnet ${wanted.subnet} does not contain it`);
    }
  };
  if (wanted.ipRange) {
    let range: ReturnType<typeof parseCidr>;
    try {
      range = parseCidr(wanted.ipRange);
    } catch {
      throw invalid(`invalid ip-range ${wanted.ipRange}: invalid CIDR block notation`);
    }
    const fits =
      range.bits === cidr.bits && range.base >= cidr.base && lastAddress(range) <= lastAddress(cidr);
    if (!fits)
      throw invalid(`invalid ip-range ${wanted.ipRange}: parent subnet ${wanted.subnet} does not contain it`);
  }
  if (wanted.gateway) inside('gateway', wanted.gateway);
  for (const [name, address] of Object.entries(wanted.auxAddresses))
    inside(`auxiliary address ${name}`, address);
  const gateway = wanted.gateway || firstFree(wanted);
  const reserved = new Set([parseAddress(gateway).value]);
  for (const [name, address] of Object.entries(wanted.auxAddresses)) {
    const { value } = parseAddress(address);
    if (reserved.has(value)) {
      throw new TareError(
        'forbidden',
        `failed to allocate secondary ip address (${name}:${address}): Address already in use`,
      );
    }
    reserved.add(value);
  }
  return {
    subnet: wanted.subnet,
    gateway,
    ...(wanted.ipRange ? { ipRange: wanted.ipRange } : {}),
    ...(Object.keys(wanted.auxAddresses).length > 0 ? { auxAddresses: wanted.auxAddresses } : {}),
  };
}

/** The gateway that nobody named: the first address of the subnet (Docker: of the range) that is not reserved. */
function firstFree(wanted: CreateNetwork['subnets'][number]): string {
  const source = wanted.ipRange && parseCidr(wanted.ipRange).prefix < 31 ? wanted.ipRange : wanted.subnet;
  return firstHost(source);
}

/** As Go's strconv.ParseBool, which Docker uses. */
function booleanOption(options: Readonly<Record<string, string>>, name: string, fallback: boolean): boolean {
  const text = options[name];
  if (text === undefined || text === '') return fallback;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new TareError('invalid', `failed to parse ${name} value: ${JSON.stringify(text)} is not a boolean`);
}

/** An MTU in bytes. Throws `invalid`. */
export function mtuOption(text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback;
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 68 || value > 65_535)
    throw new TareError('invalid', `invalid MTU ${text}: it must be 68 to 65535`);
  return value;
}
