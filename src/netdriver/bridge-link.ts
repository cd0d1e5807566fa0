import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import { addAddress } from '../kernel/netlink/addresses.ts';
import { deleteLink, findLink, type Link, newBridge, newVeth, setLink } from '../kernel/netlink/links.ts';
import type { NetlinkRequest, NetlinkSocket } from '../kernel/netlink/socket.ts';
import { parseCidr } from './addressing.ts';
import type { FurtherBridge } from './bridge-names.ts';
import type { NetworkSpec } from './netdriver.ts';
import { gatewayMode } from './routed-ports.ts';

/** Makes a network's first bridge, or repairs it. True when it was not there. Throws `conflict`. */
export function makeBridge(route: NetlinkSocket, network: NetworkSpec): boolean {
  const { link, made } = bareBridge(route, network.bridgeName, network.mtu);
  configure(route, network, link);
  return made;
}

function bareBridge(route: NetlinkSocket, name: string, mtu: number): { link: Link; made: boolean } {
  const present = findLink(route, name);
  if (present && present.kind !== 'bridge') {
    throw new TareError('conflict', `the link ${name} exists and is not a bridge`);
  }
  if (present) return { link: present, made: false };
  // Without an address of its own a bridge changes it whenever the lowest of its ports' changes.
  route.execute([newBridge(name), setLink(name, { mac: randomMac(), mtu })]);
  const link = findLink(route, name);
  if (!link) throw new TareError('internal', `the bridge ${name} vanished while it was made`);
  return { link, made: true };
}

function configure(route: NetlinkSocket, network: NetworkSpec, link: Link): void {
  const requests: NetlinkRequest[] = [];
  const ipv6 = network.subnets.some((subnet) => parseCidr(subnet.subnet).bits === 128);
  if (!ipv6) requests.push(setLink(link.index, { noLinkLocal: true }));
  for (const subnet of network.subnets) {
    if (!subnet.gateway || !hasAddress(network, parseCidr(subnet.subnet).bits)) continue;
    requests.push(addAddress(link.index, `${subnet.gateway}/${parseCidr(subnet.subnet).prefix}`));
  }
  requests.push(setLink(link.index, { up: true }));
  route.execute(requests);
  // Lets 127.0.0.1:PORT of the host lead into the bridge; our rules drop loopback addresses that come out of it.
  writeSysctl(`net/ipv4/conf/${network.bridgeName}/route_localnet`, '1');
  if (!network.internal) {
    writeSysctl('net/ipv4/ip_forward', '1');
    if (ipv6) writeSysctl('net/ipv6/conf/all/forwarding', '1');
  }
}

/** False when the host is to have no address of that family in the network. */
function hasAddress(network: NetworkSpec, bits: 32 | 128): boolean {
  const family = bits === 32 ? 'ipv4' : 'ipv6';
  return gatewayMode(network, family) !== 'isolated' && !(bits === 32 && network.inhibitIPv4);
}

/**
 * Makes a further bridge of a network and hangs it on the bridge `above`, or repairs it. Only frames pass it: it has no
 * address, answers no ARP, and our rules drop what it would hand to the host (which has it from the first bridge).
 */
export function makeFurtherBridge(
  route: NetlinkSocket,
  network: NetworkSpec,
  further: FurtherBridge,
  above: string,
): void {
  const { link } = bareBridge(route, further.name, network.mtu);
  route.execute([setLink(link.index, { noLinkLocal: true })]);
  writeSysctl(`net/ipv4/conf/${further.name}/arp_ignore`, '8');
  // A frame that bridge-nf-call-iptables led through the port rules here is routed from here, an answer to 127.0.0.1 too.
  writeSysctl(`net/ipv4/conf/${further.name}/route_localnet`, '1');
  writeSysctl(`net/ipv4/conf/${further.name}/rp_filter`, '0');
  writeSysctl(`net/ipv6/conf/${further.name}/disable_ipv6`, '1');
  route.execute([setLink(link.index, { up: true })]);
  const upperBridge = findLink(route, above);
  if (!upperBridge) throw new TareError('not-found', `the bridge ${above} is missing`);
  const { upper, lower } = further;
  const there = [findLink(route, upper)?.master, findLink(route, lower)?.master];
  if (there[0] === upperBridge.index && there[1] === link.index) return;
  route.execute([deleteLink(upper), deleteLink(lower)]);
  try {
    route.execute([
      newVeth({ name: upper, mtu: network.mtu, master: upperBridge.index, peer: { name: lower } }),
      // Whoever may not talk to others on the bridge above, may not by way of this one either.
      setLink(upper, { noLinkLocal: true, ...(network.icc ? {} : { isolated: true }) }),
      setLink(lower, { noLinkLocal: true, master: link.index }),
      setLink(upper, { up: true }),
      setLink(lower, { up: true }),
    ]);
  } catch (error) {
    route.execute([deleteLink(upper)]);
    throw error;
  }
}

function randomMac(): string {
  return ['02', '42', ...(randomBytes(4).toString('hex').match(/../g) ?? [])].join(':');
}

/** Writes a setting below /proc/sys unless it has that value; the daemon may not be allowed to, but need not. */
function writeSysctl(name: string, value: string): void {
  const path = `/proc/sys/${name}`;
  if (!existsSync(path) || readFileSync(path, 'utf8').trim() === value) return;
  try {
    writeFileSync(path, value);
  } catch (error) {
    throw new TareError(
      'internal',
      `cannot set ${name.replaceAll('/', '.')} to ${value}; set it yourself`,
      error,
    );
  }
}
