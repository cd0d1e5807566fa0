import { isIPv6 } from 'node:net';
import { bareAddress, parseCidr } from './addressing.ts';
import type { GatewayMode, NetworkSpec, Publication } from './netdriver.ts';
import { gatewayMode, type RoutedPort } from './routed-ports.ts';
import { bridgesOf, furtherBridgesOf, insidePairs, isGrown, type RuledNetwork } from './ruled-network.ts';
import { feedLinks, filteredRuleset } from './ruleset-filtered.ts';

/** A published port as the rules have it: the same family on both sides. */
export interface PortMapping {
  readonly protocol: Publication['protocol'];
  /** An address of the host; `0.0.0.0` and `::`: any of them (but ::1, where no rule can lead away from). */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

/** Everything that the rules depend on. */
export interface FirewallState {
  readonly networks: readonly RuledNetwork[];
  readonly ports: readonly PortMapping[];
  /** Ports that are open at containers' own addresses. */
  readonly routed?: readonly RoutedPort[];
  /** Bridges of other engines, whose rules count on a policy of drop to keep everybody else out. */
  readonly foreignBridges: readonly string[];
  /** Published ports obey the host's input policy (ruleset-filtered.ts). */
  readonly filtered?: boolean;
}

const quoted = (name: string): string => `"${name}"`;

/** A set or map in nft's words. */
export function set(
  kind: 'set' | 'map',
  name: string,
  type: string,
  elements: readonly string[],
  flags = '',
): string {
  const lines = [`\t${kind} ${name} {`, `\t\ttype ${type}`];
  if (flags) lines.push(`\t\tflags ${flags}`);
  if (elements.length > 0) lines.push(`\t\telements = {\n\t\t\t${elements.join(',\n\t\t\t')}\n\t\t}`);
  lines.push('\t}');
  return lines.join('\n');
}

function subnetsOf(network: NetworkSpec, bits: 32 | 128): string[] {
  return network.subnets.map((entry) => entry.subnet).filter((subnet) => parseCidr(subnet).bits === bits);
}

/**
 * The chains. They name sets and maps only, so they are the same for every state:
 *
 * - `guard`: `route_localnet` on our bridges would let a container reach services of the host that listen on
 *   127.0.0.1, and let it pretend to be loopback. Before the connection tracking, so answers to the host's own
 *   connections (whose addresses are not translated back yet) are not touched. What comes from elsewhere with a
 *   container's address as its source is a lie. Where bridged frames pass the IP hooks, a further bridge of a network
 *   tracks only what is for this host: the rest is tracked where it leaves the network.
 * - `local`: what the first bridge hands to the host, broadcasts for example, the further ones would hand over again.
 *   (Answers come by them where bridged frames pass the IP hooks.)
 * - `publish`: the host's ports that lead to containers, for packets to an address of this host, be they from
 *   outside, from a container or from the host itself.
 * - `forward`: as Docker isolates. Inside a network free unless `icc` is off; out of a network free unless it is
 *   internal; into a network only answers and published ports.
 * - `sources`: published ports on 127.0.0.1 and connections that come back into the network they left need the
 *   bridge's address as the source, else the answer would not pass here, and on a network of several bridges the host's
 *   own connections, too; what leaves a network gets the host's.
 */
const chains = (arrivals: string, feed: string): string => `	chain publish {
		meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . ip daddr . th dport map @ports_at
		meta l4proto { tcp, udp, sctp } meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports
		ip6 daddr ::1 return
		meta l4proto { tcp, udp, sctp } dnat ip6 to meta l4proto . ip6 daddr . th dport map @ports6_at
		meta l4proto { tcp, udp, sctp } meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @ports6
	}

	chain guard {
		type filter hook prerouting priority raw; policy accept;
		iifname "lo" accept
		ip daddr 127.0.0.0/8 drop
		ip saddr 127.0.0.0/8 drop
		iifname @further fib daddr type != local notrack
		iifname @bridges accept
${feed}		ip saddr @subnets drop
		ip6 saddr @subnets6 drop
	}

	chain local {
		type filter hook input priority filter; policy accept;
		iifname @further ct state established,related accept
		iifname @further drop
	}

	chain arrivals {
		type nat hook prerouting priority dstnat; policy accept;
		${arrivals}
	}

	chain own {
		type nat hook output priority -100; policy accept;
		fib daddr type local jump publish
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
		iifname . oifname @inside accept
		iifname @internal drop
		oifname @internal drop
		oifname @bridges ct status dnat accept
		oifname @routed meta l4proto icmp accept
		oifname @routed meta l4proto . ip daddr . th dport @direct accept
		oifname @routed6 meta l4proto icmpv6 accept
		oifname @routed6 meta l4proto . ip6 daddr . th dport @direct6 accept
		iifname != @bridges oifname @unprotected meta nfproto ipv4 accept
		iifname != @bridges oifname @unprotected6 meta nfproto ipv6 accept
		oifname @bridges drop
		iifname @bridges oifname @foreign ct status dnat accept
		iifname @bridges oifname @foreign drop
	}

	chain sources {
		type nat hook postrouting priority srcnat; policy accept;
		oifname @bridges ip saddr 127.0.0.0/8 masquerade
		oifname @grown fib saddr type local ct status dnat masquerade
		ip saddr . oifname @home ct status dnat masquerade
		ip saddr . oifname @home accept
		ip saddr @translated masquerade
		ip6 saddr . oifname @home6 ct status dnat masquerade
		ip6 saddr . oifname @home6 accept
		ip6 saddr @translated6 masquerade
	}`;

function hasMode(network: NetworkSpec, bits: 32 | 128, mode: GatewayMode): boolean {
  return gatewayMode(network, bits === 128 ? 'ipv6' : 'ipv4') === mode;
}

function bridgesWith(networks: readonly RuledNetwork[], bits: 32 | 128, mode: GatewayMode): string[] {
  return networks
    .filter((network) => hasMode(network, bits, mode))
    .flatMap(bridgesOf)
    .map(quoted);
}

/** The sets of one family; the rules name those of IPv6 with a 6 at the end. */
function addressSets(state: FirewallState, bits: 32 | 128): string[] {
  const v6 = bits === 128 ? '6' : '';
  const type = bits === 128 ? 'ipv6_addr' : 'ipv4_addr';
  const any = bits === 128 ? '::' : '0.0.0.0';
  const { networks } = state;
  const ports = state.ports.filter((port) => isIPv6(port.hostIp) === (bits === 128));
  const at = ports.filter((port) => port.hostIp !== any);
  const anywhere = ports.filter((port) => port.hostIp === any);
  const target = (port: PortMapping): string => `${bareAddress(port.containerIp)} . ${port.containerPort}`;
  return [
    set(
      'set',
      `home${v6}`,
      `${type} . ifname`,
      networks.flatMap((entry) =>
        subnetsOf(entry, bits).flatMap((subnet) =>
          bridgesOf(entry).map((name) => `${subnet} . ${quoted(name)}`),
        ),
      ),
      'interval',
    ),
    set(
      'set',
      `subnets${v6}`,
      type,
      networks.flatMap((entry) => subnetsOf(entry, bits)),
      'interval',
    ),
    set(
      'set',
      `translated${v6}`,
      type,
      networks
        .filter((network) => network.masquerade && !network.internal && !hasMode(network, bits, 'routed'))
        .flatMap((entry) => subnetsOf(entry, bits)),
      'interval',
    ),
    set('set', `routed${v6}`, 'ifname', bridgesWith(networks, bits, 'routed')),
    set('set', `unprotected${v6}`, 'ifname', bridgesWith(networks, bits, 'nat-unprotected')),
    set(
      'set',
      `direct${v6}`,
      `inet_proto . ${type} . inet_service`,
      (state.routed ?? [])
        .filter(({ address }) => isIPv6(address) === (bits === 128))
        .map(({ protocol, address, port }) => `${protocol} . ${address} . ${port}`),
    ),
    set(
      'map',
      `ports${v6}_at`,
      `inet_proto . ${type} . inet_service : ${type} . inet_service`,
      at.map((port) => `${port.protocol} . ${port.hostIp} . ${port.hostPort} : ${target(port)}`),
    ),
    set(
      'map',
      `ports${v6}`,
      `inet_proto . inet_service : ${type} . inet_service`,
      anywhere.map((port) => `${port.protocol} . ${port.hostPort} : ${target(port)}`),
    ),
  ];
}

/**
 * An nft script that replaces the whole table in one transaction: packets see the old rules or the new ones,
 * never none. `table` is the name in family `inet`.
 */
export function ruleset(table: string, state: FirewallState): string {
  const { networks } = state;
  const names = (wanted: readonly RuledNetwork[]): string[] => wanted.flatMap(bridgesOf).map(quoted);
  const feed = feedLinks(table);
  const local = 'fib daddr type local jump publish';
  const parts = [
    set('set', 'bridges', 'ifname', names(networks)),
    set('set', 'internal', 'ifname', names(networks.filter((network) => network.internal))),
    set('set', 'foreign', 'ifname', state.foreignBridges.map(quoted)),
    set(
      'set',
      'inside',
      'ifname . ifname',
      networks.flatMap(insidePairs).map((pair) => pair.map(quoted).join(' . ')),
    ),
    set(
      'set',
      'grown',
      'ifname',
      networks.filter(isGrown).map(({ bridgeName }) => quoted(bridgeName)),
    ),
    set('set', 'further', 'ifname', networks.flatMap(furtherBridgesOf).map(quoted)),
    ...addressSets(state, 32),
    ...addressSets(state, 128),
    state.filtered
      ? chains(`iifname "${feed.to}" ${local}`, `\t\tiifname "${feed.to}" accept\n`)
      : chains(local, ''),
  ];
  const own = `add table inet ${table}\ndelete table inet ${table}\ntable inet ${table} {\n${parts.join('\n\n')}\n}\n`;
  return state.filtered ? own + filteredRuleset(table, state) : own;
}
