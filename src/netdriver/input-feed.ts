import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import { FEED_GATEWAY, type FeedLinks, feedLinks } from './ruleset-filtered.ts';

/** So large that no copy is ever cut. */
const MTU = 65_535;
const MACS = { from: '02:74:61:72:65:0a', to: '02:74:61:72:65:0b' } as const;

/**
 * The pair of links that `filteredRuleset` sends copies through.
 *
 * The receiving end has an address, because the kernel's check of sources takes a link without one for a liar; and
 * it is loose there (`rp_filter` 2), because answers go out by another link.
 */
export class InputFeed {
  readonly #links: FeedLinks;
  #complete = false;

  /** Of the daemon with that table. */
  constructor(table: string) {
    this.#links = feedLinks(table);
  }

  #isThere(): boolean {
    return readFileSync('/proc/self/net/dev', 'utf8').includes(` ${this.#links.from}:`);
  }

  /** Makes it, or repairs it. Idempotent. Throws `internal` with ip's words. */
  async make(): Promise<void> {
    if (this.#complete && this.#isThere()) return;
    const { from, to } = this.#links;
    await ip(`link add ${from} address ${MACS.from} type veth peer name ${to} address ${MACS.to}\n`, true);
    const v6 = [
      `address replace fe80::8/64 nodad dev ${from}`,
      `neighbour replace ${FEED_GATEWAY.ipv6} lladdr ${MACS.to} nud permanent dev ${from}`,
    ];
    const batch = [
      `link set ${from} addrgenmode none mtu ${MTU} up`,
      `link set ${to} addrgenmode none mtu ${MTU} up`,
      `address replace 192.0.0.8/32 scope link dev ${to}`,
      `route replace ${FEED_GATEWAY.ipv4}/32 dev ${from} scope link`,
      `neighbour replace ${FEED_GATEWAY.ipv4} lladdr ${MACS.to} nud permanent dev ${from}`,
      ...(existsSync('/proc/net/if_inet6') ? v6 : []),
    ];
    await ip(batch.map((line) => `${line}\n`).join(''), false);
    try {
      writeFileSync(`/proc/sys/net/ipv4/conf/${to}/rp_filter`, '2');
    } catch (error) {
      throw new TareError(
        'internal',
        `cannot set net.ipv4.conf.${to}.rp_filter to 2; set it yourself`,
        error,
      );
    }
    this.#complete = true;
  }

  /** Takes it away. Idempotent. */
  async remove(): Promise<void> {
    this.#complete = false;
    if (this.#isThere()) await ip(`link delete dev ${this.#links.from}\n`, true);
  }
}

async function ip(batch: string, mayFail: boolean): Promise<void> {
  const child = Bun.spawn(['ip', ...(mayFail ? ['-force'] : []), '-batch', '-'], {
    stdin: Buffer.from(batch),
    stdout: 'ignore',
    stderr: 'pipe',
  });
  const [problem, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code === 0 || mayFail) return;
  throw new TareError('internal', `the links for "publish": "filtered" could not be made: ${problem.trim()}`);
}
