import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { TareError } from '../base/errors.ts';
import { codeOf } from '../kernel/errno.ts';
import { closeFd } from '../kernel/namespaces.ts';
import { holdPort } from '../kernel/port-socket.ts';
import { DatagramForwarder } from './datagram-forwarder.ts';
import type { Publication } from './netdriver.ts';
import { PortForwarder } from './port-forwarder.ts';

/** Ports given when none is asked for: Docker's range, the kernel's default for ephemeral ports. */
const FIRST_PORT = 32_768;
const LAST_PORT = 60_999;

/** Addresses of the container that ports lead to; empty where it has none of that family. */
export interface PortTarget {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A host port that is held for a container. */
export interface HeldPort {
  readonly publication: Publication;
  release(): void;
}

/**
 * Holds the host ports of published ports against other programs, and finds free ones. An IPv4 port is bound and
 * nothing more (the rules lead its packets away before they get here); an IPv6 one is a forwarder.
 */
export class PortKeeper {
  readonly #held = new Set<HeldPort>();
  #next = FIRST_PORT;

  /**
   * Holds one wished-for port, on both families where its address is empty: at `hostPort`, at the first free one
   * up to `hostPortEnd`, or at any. `networkBinding` stands for an empty address. Throws `conflict`, `invalid`.
   */
  async hold(wanted: Publication, networkBinding: string, target: PortTarget): Promise<HeldPort[]> {
    const addresses = this.#addressesOf(wanted, networkBinding, target);
    const random = wanted.hostPort === 0;
    const first = random ? FIRST_PORT : wanted.hostPort;
    const last = random ? LAST_PORT : Math.max(wanted.hostPortEnd, first);
    let failure: unknown;
    for (let tried = 0; tried <= last - first; tried++) {
      const port = random ? this.#nextRandom() : first + tried;
      try {
        return await this.#holdAll(wanted, addresses, port, target);
      } catch (error) {
        if (!(error instanceof TareError) || error.kind !== 'conflict') throw error;
        failure ??= error;
      }
    }
    if (random) {
      throw new TareError(
        'exhausted',
        `all host ports from ${FIRST_PORT} to ${LAST_PORT} are allocated`,
        failure,
      );
    }
    throw failure;
  }

  /** Holds a port that rules lead to since before a restart. Throws as `hold`. */
  async restore(publication: Publication, target: PortTarget): Promise<HeldPort> {
    return await this.#holdOne(publication, target);
  }

  #nextRandom(): number {
    const port = this.#next;
    this.#next = port >= LAST_PORT ? FIRST_PORT : port + 1;
    return port;
  }

  #addressesOf(wanted: Publication, networkBinding: string, target: PortTarget): string[] {
    const address = wanted.hostIp || networkBinding || '0.0.0.0';
    // Nothing in the daemon passes SCTP on from IPv6 to IPv4; rules do between equals.
    const sixToFour = wanted.protocol !== 'sctp' || target.ipv6 !== '';
    // As Docker: both families where the host has them.
    if (wanted.hostIp === '' && address === '0.0.0.0') {
      return sixToFour && hostHasIPv6() ? ['0.0.0.0', '::'] : ['0.0.0.0'];
    }
    if (isIPv6(address) && !sixToFour) {
      throw new TareError(
        'not-implemented',
        `cannot publish ${wanted.containerPort}/${wanted.protocol} on ${address}: the network has IPv4 only; use an IPv4 address`,
      );
    }
    return [address];
  }

  async #holdAll(
    wanted: Publication,
    addresses: readonly string[],
    port: number,
    target: PortTarget,
  ): Promise<HeldPort[]> {
    const result: HeldPort[] = [];
    try {
      for (const hostIp of addresses) {
        const publication = { ...wanted, hostIp, hostPort: port, hostPortEnd: port };
        result.push(await this.#holdOne(publication, target));
      }
      return result;
    } catch (error) {
      for (const held of result) held.release();
      throw error;
    }
  }

  async #holdOne(publication: Publication, target: PortTarget): Promise<HeldPort> {
    const { protocol, hostIp, hostPort, containerPort } = publication;
    const shown = isIPv6(hostIp) ? `[${hostIp}]:${hostPort}` : `${hostIp}:${hostPort}`;
    if (this.#isOurs(publication)) {
      throw new TareError('conflict', `Bind for ${shown} failed: port is already allocated`);
    }
    let free: () => void;
    try {
      free = await occupy(publication, { host: target.ipv4 || target.ipv6, port: containerPort });
    } catch (error) {
      throw bindError(error, `failed to bind host port ${shown}/${protocol}`);
    }
    let released = false;
    const held: HeldPort = {
      publication,
      release: () => {
        if (released) return;
        released = true;
        this.#held.delete(held);
        free();
      },
    };
    this.#held.add(held);
    return held;
  }

  #isOurs(wanted: Publication): boolean {
    for (const { publication } of this.#held) {
      if (publication.protocol !== wanted.protocol || publication.hostPort !== wanted.hostPort) continue;
      if (isIPv6(publication.hostIp) !== isIPv6(wanted.hostIp)) continue;
      const any = isIPv6(wanted.hostIp) ? '::' : '0.0.0.0';
      if (wanted.hostIp === any || publication.hostIp === any || wanted.hostIp === publication.hostIp)
        return true;
    }
    return false;
  }

  close(): void {
    for (const held of [...this.#held]) held.release();
  }
}

/**
 * Keeps others from the port; returns what gives it back. On IPv6 it is a forwarder, which serves ::1, and containers
 * that have IPv4 only; what rules lead away never gets there.
 */
async function occupy(
  { protocol, hostIp, hostPort }: Publication,
  target: { host: string; port: number },
): Promise<() => void> {
  if (isIPv6(hostIp) && protocol !== 'sctp') {
    const kind = protocol === 'tcp' ? PortForwarder : DatagramForwarder;
    const forwarder = await kind.listen(hostIp, hostPort, target);
    return () => forwarder.close();
  }
  try {
    const fd = holdPort(protocol, hostIp, hostPort);
    return () => closeFd(fd);
  } catch (error) {
    // Where the kernel has no SCTP sockets, nobody can take the port; rules lead its packets on all the same.
    if (protocol === 'sctp' && codeOf(error) === 'EPROTONOSUPPORT') return () => {};
    throw error;
  }
}

function bindError(error: unknown, prefix: string): TareError {
  const cause = error instanceof TareError && error.cause ? error.cause : error;
  switch (codeOf(cause)) {
    case 'EADDRINUSE':
      return new TareError('conflict', `${prefix}: address already in use`, error);
    case 'EADDRNOTAVAIL':
      return new TareError('invalid', `${prefix}: cannot assign requested address`, error);
    default:
      return new TareError('internal', `${prefix}: ${error instanceof Error ? error.message : error}`, error);
  }
}

/** False where the kernel has no IPv6 or it is switched off. */
function hostHasIPv6(): boolean {
  return existsSync('/proc/net/if_inet6');
}
