import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { messageOf, TareError } from '../../../base/errors.ts';

/** Addresses that mean this machine, or the services a cloud has beside it (RFC 1122, 3927, 4291). */
const OWN = new BlockList();
OWN.addSubnet('0.0.0.0', 8, 'ipv4');
OWN.addSubnet('127.0.0.0', 8, 'ipv4');
OWN.addSubnet('169.254.0.0', 16, 'ipv4');
OWN.addAddress('::', 'ipv6');
OWN.addAddress('::1', 'ipv6');
OWN.addSubnet('fe80::', 10, 'ipv6');

/** True for loopback, link-local and unspecified addresses, also for IPv4 inside IPv6. */
export function isOwnAddress(address: string): boolean {
  const mapped = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i.exec(address);
  if (mapped) {
    const [, dotted, high = '0', low = '0'] = mapped;
    const number = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
    const bytes = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255);
    return OWN.check(dotted ?? bytes.join('.'), 'ipv4');
  }
  const family = isIP(address);
  return family !== 0 && OWN.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Whether a server's redirect may be followed. What a Dockerfile names itself is fetched wherever it is; but a server
 * elsewhere must not send the daemon to services of its own machine, which only the daemon can reach. Throws
 * `forbidden`, `invalid` for other schemes and names that nobody knows.
 */
export async function checkRedirect(named: URL, target: URL): Promise<void> {
  if (target.protocol !== 'http:' && target.protocol !== 'https:') {
    throw new TareError('invalid', `refusing to follow a redirect from ${named.href} to ${target.href}`);
  }
  if (hostOf(named) === hostOf(target)) return;
  for (const address of await addressesOf(hostOf(target))) {
    if (!isOwnAddress(address)) continue;
    throw new TareError(
      'forbidden',
      `refusing to follow a redirect from ${named.href} to ${target.href}: ${address} is an address of this machine or its link; name it in the Dockerfile if it is meant`,
    );
  }
}

/**
 * Whether a repository may be fetched that the repository at `named` names itself, as a submodule. Throws as
 * `checkRedirect` does, and `invalid` for schemes by which git would run programs or read this machine's files.
 */
export async function checkServerNamed(named: string, target: string): Promise<void> {
  const host = gitHostOf(target);
  if (host === undefined || host.startsWith('-')) {
    throw new TareError(
      'invalid',
      `refusing the submodule ${target} of ${named}: it is no http, https, git or ssh address`,
    );
  }
  if (host === gitHostOf(named)) return;
  for (const address of await addressesOf(host)) {
    if (!isOwnAddress(address)) continue;
    throw new TareError(
      'forbidden',
      `refusing the submodule ${target} of ${named}: ${address} is an address of this machine or its link`,
    );
  }
}

/** The host of a repository's address, also of `user@host:path`; undefined for other schemes. */
function gitHostOf(address: string): string | undefined {
  const [, host] = /^(?:https?|git|ssh):\/\/(?:[^/@]*@)?(\[[^\]]*\]|[^/:?#]+)/i.exec(address) ?? [];
  const [, short] = /^[A-Za-z0-9._-]+@([A-Za-z0-9._-]+):/.exec(address) ?? [];
  return (host ?? short)?.replace(/^\[(.*)\]$/, '$1').toLowerCase();
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
}

async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw new TareError('invalid', `cannot resolve ${host}: ${messageOf(error)}`, error);
  }
}
