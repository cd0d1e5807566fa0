import { randomBytes } from 'node:crypto';
import { deleteLink, type Link, newVeth, setLink } from '../kernel/netlink/links.ts';
import type { NetlinkSocket } from '../kernel/netlink/socket.ts';
import type { NetworkSpec } from './netdriver.ts';

/** The interface of a prepared namespace. */
export const PREPARED_INTERFACE = 'eth0';

/** A new name for a link on the host's side, of Docker's form. */
export function newHostInterface(): string {
  return `veth${randomBytes(4).toString('hex').slice(0, 7)}`;
}

/** The form of `newHostInterface`: what a clean-up may take away from our bridges. */
export const HOST_INTERFACE = /^veth[0-9a-f]{7}$/;

/** The container's end of a pair: its name, the descriptor of its namespace. */
export interface Peer {
  readonly name: string;
  readonly namespace: number;
  readonly mac?: string;
}

/** Plugs a pair of links into a bridge. All or nothing. Throws a SyscallError with EXFULL when the bridge is full. */
export function plugInto(
  route: NetlinkSocket,
  bridge: Link,
  network: NetworkSpec,
  hostInterface: string,
  peer: Peer,
): void {
  try {
    route.execute([
      newVeth({ name: hostInterface, mtu: network.mtu, master: bridge.index, peer }),
      // Apart, because the kernel brings a link up before it looks at this.
      setLink(hostInterface, { noLinkLocal: true, ...isolation(network) }),
      setLink(hostInterface, { up: true }),
    ]);
  } catch (error) {
    route.execute([deleteLink(hostInterface)]);
    throw error;
  }
}

/** Plugs a link that lost its bridge into another one. */
export function plugAgain(route: NetlinkSocket, bridge: Link, network: NetworkSpec, link: Link): void {
  route.execute([
    setLink(link.index, { master: bridge.index }),
    setLink(link.index, { noLinkLocal: true, ...isolation(network) }),
  ]);
}

function isolation(network: NetworkSpec): { isolated?: boolean } {
  return network.icc ? {} : { isolated: true };
}
