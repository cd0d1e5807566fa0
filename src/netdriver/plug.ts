import { randomBytes } from 'node:crypto';
import { TareError } from '../base/errors.ts';
import { Errno, SyscallError } from '../kernel/errno.ts';
import { deleteLink, findLink, newVeth, setLink } from '../kernel/netlink/links.ts';
import type { NetlinkSocket } from '../kernel/netlink/socket.ts';
import type { NetworkSpec } from './netdriver.ts';

/** How often and how long to wait for the kernel to free a port of a full bridge. */
const FULL_RETRIES = 40;
const FULL_WAIT_MS = 50;

/** The interface of a prepared namespace. */
export const PREPARED_INTERFACE = 'eth0';

/** A new name for a link on the host's side, of Docker's form. */
export function newHostInterface(): string {
  return `veth${randomBytes(4).toString('hex').slice(0, 7)}`;
}

/** The form of `newHostInterface`: what a clean-up may take away from our bridges. */
export const HOST_INTERFACE = /^veth[0-9a-f]{7}$/;

/**
 * Plugs a pair of links into the network's bridge. `hostInterface` comes up, its peer stays down in its namespace
 * until the endpoint's addresses are set. All or nothing. Throws `not-found` without the bridge, and a
 * SyscallError with EXFULL when the bridge has no free port.
 */
export function plug(
  route: NetlinkSocket,
  network: NetworkSpec,
  hostInterface: string,
  peer: { name: string; namespace: number; mac?: string },
): void {
  const bridge = findLink(route, network.bridgeName);
  if (!bridge) {
    throw new TareError(
      'not-found',
      `the bridge ${network.bridgeName} of network ${network.name} is missing; restarting tare makes it again`,
    );
  }
  try {
    route.execute([
      newVeth({ name: hostInterface, mtu: network.mtu, master: bridge.index, peer }),
      // Apart, because the kernel brings a link up before it looks at this.
      setLink(hostInterface, { noLinkLocal: true, ...(network.icc ? {} : { isolated: true }) }),
      setLink(hostInterface, { up: true }),
    ]);
  } catch (error) {
    route.execute([deleteLink(hostInterface)]);
    throw error;
  }
}

/**
 * Runs `body`, again a little later while the bridge is full: links of containers that just ended leave it some
 * tens of milliseconds after them. Throws `exhausted` in the end.
 */
export async function whenNotFull<T>(network: NetworkSpec, body: () => T): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== Errno.EXFULL) throw error;
      if (attempt >= FULL_RETRIES) {
        throw new TareError(
          'exhausted',
          `the bridge ${network.bridgeName} of network ${network.name} is full (a bridge takes 1,023 interfaces)`,
          error,
        );
      }
      await Bun.sleep(FULL_WAIT_MS);
    }
  }
}
