import { readFileSync } from 'node:fs';
import { AF_INET, AF_INET6, listAddresses } from '../kernel/netlink/addresses.ts';
import { findLink, listLinks } from '../kernel/netlink/links.ts';
import { listRoutes } from '../kernel/netlink/routes.ts';
import type { NetlinkSocket } from '../kernel/netlink/socket.ts';
import { bareAddress, formatCidr, parseCidr } from './addressing.ts';

/** What the host's own networking uses, so that ours keeps away from it. */
export class HostNetworks {
  readonly #route: NetlinkSocket;

  constructor(options: { route: NetlinkSocket }) {
    this.#route = options.route;
  }

  /**
   * Networks that the host has an address in or a route to, of both families and all routing tables (VPNs), and
   * its name servers; not those of the links in `except`.
   */
  taken(except: readonly string[]): string[] {
    const names = new Set(except);
    // One question for all links: there may be hundreds of networks.
    const links = listLinks(this.#route).filter(({ name }) => names.has(name));
    const ours = new Set(links.map(({ index }) => index));
    const result = new Set<string>();
    for (const { index, cidr } of listAddresses(this.#route)) {
      if (!ours.has(index)) result.add(formatCidr(parseCidr(cidr)));
    }
    for (const family of [AF_INET, AF_INET6] as const) {
      for (const { destination, index } of listRoutes(this.#route, family)) {
        if (!destination.endsWith('/0') && !ours.has(index)) result.add(destination);
      }
    }
    for (const server of nameServers()) result.add(`${server}/32`);
    return [...result];
  }

  /** All addresses of the host, without prefix length. */
  addresses(): string[] {
    return listAddresses(this.#route).map(({ cidr }) => bareAddress(cidr));
  }

  /** The first IPv4 address of a link with its prefix length, or undefined. */
  addressOf(name: string): string | undefined {
    const link = findLink(this.#route, name);
    if (!link) return undefined;
    return listAddresses(this.#route).find(({ index, cidr }) => index === link.index && !cidr.includes(':'))
      ?.cidr;
  }
}

function nameServers(): string[] {
  try {
    const text = readFileSync('/etc/resolv.conf', 'utf8');
    return [...text.matchAll(/^\s*nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map((match) => match[1] ?? '');
  } catch {
    return [];
  }
}
