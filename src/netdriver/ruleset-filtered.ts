import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { FirewallState, PortMapping } from './ruleset.ts';

/** The pair of links that leads packets which the host's input policy let pass back to the beginning. */
export interface FeedLinks {
  /** Copies leave here. */
  readonly from: string;
  /** And come in again here. */
  readonly to: string;
}

/** Where the copies are sent; nobody has these addresses (192.0.0.8/29 is for such use, RFC 7335). */
export const FEED_GATEWAY = { ipv4: '192.0.0.9', ipv6: 'fe80::9' } as const;

/** Names of the links of a daemon with that table, at most 15 characters. */
export function feedLinks(table: string): FeedLinks {
  const own = table === 'tare' ? '' : createHash('sha256').update(table).digest('hex').slice(0, 6);
  return { from: `tarein${own}a`, to: `tarein${own}b` };
}

/**
 * The tables for published ports that obey the host's own input policy. A packet to a published port is not led away
 * when it arrives, so it passes every chain of the input hook, whoever made them; ours is the very last. What gets
 * there was let pass by all: a copy of it goes through a pair of links, comes in again at the other end, and only
 * there the port leads to the container. All that follows of the connection goes straight, by the connection
 * tracking. `dup` exists in the families ip and ip6 only, so these tables are not part of the `inet` one.
 */
export function filteredRuleset(table: string, state: FirewallState): string {
  return [
    family('ip', table, state, (port) => !isIPv6(port.hostIp)),
    family('ip6', table, state, (port) => isIPv6(port.hostIp)),
  ].join('');
}

/** Takes what `filteredRuleset` made away. */
export function withoutFiltered(table: string): string {
  return ['ip', 'ip6'].map((name) => `add table ${name} ${table}\ndelete table ${name} ${table}\n`).join('');
}

function family(
  name: 'ip' | 'ip6',
  table: string,
  { networks, ports }: FirewallState,
  isOfFamily: (port: PortMapping) => boolean,
): string {
  const { from, to } = feedLinks(table);
  const any = name === 'ip' ? '0.0.0.0' : '::';
  const own = ports.filter(isOfFamily);
  const internal = networks.filter((network) => network.internal).map(({ bridgeName }) => `"${bridgeName}"`);
  const gateway = name === 'ip' ? FEED_GATEWAY.ipv4 : FEED_GATEWAY.ipv6;
  const elements = (list: readonly string[]): string =>
    list.length === 0 ? '' : `\n\t\telements = { ${list.join(', ')} }`;
  return `add table ${name} ${table}
delete table ${name} ${table}
table ${name} ${table} {
	set open {
		type inet_proto . inet_service${elements(
      own.filter(({ hostIp }) => hostIp === any).map((port) => `${port.protocol} . ${port.hostPort}`),
    )}
	}

	set open_at {
		type inet_proto . ${name === 'ip' ? 'ipv4_addr' : 'ipv6_addr'} . inet_service${elements(
      own
        .filter(({ hostIp }) => hostIp !== any)
        .map((port) => `${port.protocol} . ${port.hostIp} . ${port.hostPort}`),
    )}
	}

	set internal {
		type ifname${elements(internal)}
	}

	chain passed {
		type filter hook input priority 2147483646; policy accept;
		iifname { "lo", "${to}" } accept
		ct state != new accept
		fib daddr type != local accept
		meta l4proto . ${name} daddr . th dport @open_at jump lead
		meta l4proto . th dport @open jump lead
	}

	chain lead {
		iifname @internal drop
		dup to ${gateway} device "${from}"
		drop
	}
}
`;
}
