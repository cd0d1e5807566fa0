import { TareError } from '../base/errors.ts';
import { Errno, SyscallError } from '../kernel/errno.ts';
import { findLink, type Link, newVeth, setLink } from '../kernel/netlink/links.ts';
import type { NetlinkSocket } from '../kernel/netlink/socket.ts';
import { newDummy, newVlan } from '../kernel/netlink/stacked-links.ts';
import type { NetworkSpec, ParentSpec } from './netdriver.ts';

/** On the links that we made, so that no other is ever taken away. */
const MARK = 'tare:';

/**
 * The link that a macvlan or ipvlan network lies on, made when it is missing and may be (a VLAN sub-interface, or a
 * link that leads nowhere). Idempotent. Throws `not-found` and `invalid` in Docker's words.
 */
export function ensureParent(route: NetlinkSocket, network: NetworkSpec, parent: ParentSpec): Link {
  const present = findLink(route, parent.link);
  if (present) return present;
  const alias = `${MARK}${network.id.slice(0, 12)}`;
  if (parent.isolated) makeIsolated(route, parent.link, alias);
  else makeVlan(route, parent.link, alias);
  const made = findLink(route, parent.link);
  if (!made) throw new TareError('internal', `the link ${parent.link} vanished while it was made`);
  return made;
}

/** True when `ensureParent` made this link. */
export function isOurs(link: Link): boolean {
  return link.alias.startsWith(MARK);
}

/** Throws when `link` is no name of a VLAN sub-interface. */
export function parseVlan(link: string): { base: string; id: number } {
  const [base = '', number = '', ...more] = link.split('.');
  if (base === '' || number === '' || more.length > 0) {
    throw new TareError(
      'not-found',
      `the parent ${link} is no link of this host, and no name of a VLAN sub-interface either (ex. eth0.10 for vlan 10)`,
    );
  }
  const id = /^\d{1,4}$/.test(number) ? Number(number) : 0;
  if (id < 1 || id > 4094) {
    throw new TareError('invalid', `vlan id must be between 1-4094, received: ${number}`);
  }
  return { base, id };
}

function makeVlan(route: NetlinkSocket, link: string, alias: string): void {
  const { base, id } = parseVlan(link);
  const below = findLink(route, base);
  if (!below)
    throw new TareError('not-found', `failed to find master interface ${base} on the host for ${link}`);
  try {
    route.execute([newVlan(link, below.index, id, alias)]);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== Errno.EOPNOTSUPP) throw error;
    throw new TareError(
      'not-implemented',
      `this kernel has no VLAN sub-interfaces (CONFIG_VLAN_8021Q, module 8021q): make ${link} yourself or name another parent`,
      error,
    );
  }
  route.execute([setLink(link, { up: true })]);
}

/** A dummy; on a kernel without them a pair of links that lead to each other. */
function makeIsolated(route: NetlinkSocket, link: string, alias: string): void {
  try {
    route.execute([newDummy(link, alias)]);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== Errno.EOPNOTSUPP) throw error;
    const peer = link.replace(/^dm-/, 'dp-');
    route.execute([newVeth({ name: link, mtu: 1500, peer: { name: peer } })]);
    route.execute([
      setLink(link, { alias, noLinkLocal: true }),
      setLink(peer, { alias, noLinkLocal: true, up: true }),
    ]);
  }
  route.execute([setLink(link, { noLinkLocal: true }), setLink(link, { up: true })]);
}
