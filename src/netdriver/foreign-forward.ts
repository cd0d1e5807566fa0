import { existsSync, readFileSync } from 'node:fs';
import type { Logger } from '../base/log.ts';
import {
  type BaseChain,
  HOOK_FORWARD,
  listBaseChains,
  NftFamily,
  NftMessage,
  type NftNotification,
} from '../kernel/netlink/nftables.ts';
import type { NetlinkSocket } from '../kernel/netlink/socket.ts';
import { planNftAccepts } from './foreign-nft-plan.ts';
import { acceptRule, planAccepts } from './foreign-plan.ts';

/** True when a foreign change may concern what `ForeignForward` looks at. */
export function concernsForwarding(notice: NftNotification): boolean {
  if (notice.message === NftMessage.DELTABLE) return true;
  if (notice.family !== NftFamily.IPV4 && notice.family !== NftFamily.INET) return false;
  return /forward|^DOCKER-USER$/i.test(notice.chain);
}

/**
 * An accept in our table does not override a drop in another one (*measured*). So where another engine's
 * forward chain drops by policy, each bridge of ours gets a pair of accept rules there, marked by a comment:
 * what our bridges may do is then decided in our table alone. No other foreign rule is changed.
 */
export class ForeignForward {
  /** Bridges that dockerd guards by that policy: our table keeps our containers out of them. */
  bridges: readonly string[] = [];
  readonly #table: string;
  readonly #socket: NetlinkSocket;
  readonly #log: Logger;
  /** Chains that need no rules of ours and have none. */
  readonly #clean = new Set<string>();

  constructor(options: { table: string; socket: NetlinkSocket; log: Logger }) {
    this.#table = options.table;
    this.#socket = options.socket;
    this.#log = options.log;
  }

  /** Somebody changed a foreign chain: those that needed nothing are looked at again. */
  lookAgain(): void {
    this.#clean.clear();
  }

  /** Adds what is missing for `bridges`, and removes our rules for others. Runs no process when none is needed. */
  async settle(bridges: readonly string[]): Promise<void> {
    const chains = listBaseChains(this.#socket).filter((chain) => chain.hook === HOOK_FORWARD);
    const foreign: string[] = [];
    for (const chain of chains) {
      if (!this.#isForeign(chain)) continue;
      const key = `${chain.family} ${chain.table} ${chain.name}`;
      // A policy of accept needs nothing of ours; a first look finds what a crash or a change of policy left.
      if (chain.policy !== 'drop' && this.#clean.has(key)) continue;
      let closed = chain.policy === 'drop';
      if (isIptables(chain)) foreign.push(...(await this.#settleIptables('iptables-nft', bridges)));
      else closed = await this.#settleNft(chain, bridges);
      if (closed) this.#clean.delete(key);
      else this.#clean.add(key);
    }
    if (usesLegacyTables()) foreign.push(...(await this.#settleIptables('iptables-legacy', bridges)));
    this.bridges = [...new Set(foreign)].filter((name) => !bridges.includes(name)).sort();
  }

  #isForeign(chain: BaseChain): boolean {
    const family = chain.family === NftFamily.INET || chain.family === NftFamily.IPV4;
    return family && chain.table !== this.#table && !/^tare(-|$)/.test(chain.table);
  }

  async #settleIptables(program: string, bridges: readonly string[]): Promise<string[]> {
    const listed = await run([program, '-w', '5', '-S']);
    if (listed === undefined) return [];
    const plan = planAccepts(listed, this.#table, bridges);
    for (const step of plan.steps) {
      const done = await run([program, '-w', '5', ...step]);
      if (done === undefined) {
        this.#log.warn('a rule could not be changed; containers may lack the outside', {
          rule: step.join(' '),
        });
      } else {
        this.#log.info('foreign forward chain drops by policy; changed our accept rule there', {
          rule: step.join(' '),
        });
      }
    }
    return plan.foreignBridges;
  }

  /** The same in a chain of somebody's own nftables policy, or firewalld's. True when it lets nothing pass by itself. */
  async #settleNft(chain: BaseChain, bridges: readonly string[]): Promise<boolean> {
    const family = chain.family === NftFamily.INET ? 'inet' : 'ip';
    const listed = await run(['nft', '-j', '-a', 'list', 'chain', family, chain.table, chain.name]);
    if (listed === undefined) return false;
    const plan = planNftAccepts(listed, this.#table, bridges, chain.policy);
    for (const handle of plan.remove) await this.#deleteNft(family, chain, handle);
    for (const bridge of plan.add) {
      const at = plan.before === undefined ? ['add'] : ['insert'];
      const place = plan.before === undefined ? [] : ['handle', String(plan.before)];
      const comment = ['comment', `"${acceptRule(this.#table, bridge)}"`];
      for (const side of ['iifname', 'oifname']) {
        const rule = [side, `"${bridge}"`, 'accept', ...comment];
        await run(['nft', ...at, 'rule', family, chain.table, chain.name, ...place, ...rule]);
      }
      this.#log.info('a foreign forward chain lets nothing pass by itself; added our accept rules', {
        table: chain.table,
        chain: chain.name,
        bridge,
      });
    }
    return plan.closed;
  }

  async #deleteNft(family: string, chain: BaseChain, handle: number): Promise<void> {
    await run(['nft', 'delete', 'rule', family, chain.table, chain.name, 'handle', String(handle)]);
  }
}

/** The chain that iptables-nft keeps in nf_tables. */
function isIptables(chain: BaseChain): boolean {
  return chain.family === NftFamily.IPV4 && chain.table === 'filter' && chain.name === 'FORWARD';
}

/** The old iptables in the kernel names its tables here; it sends no notifications. */
function usesLegacyTables(): boolean {
  const path = '/proc/net/ip_tables_names';
  return existsSync(path) && readFileSync(path, 'utf8').split('\n').includes('filter');
}

/** Its output, or undefined when it failed or is not installed. */
async function run(argv: string[]): Promise<string | undefined> {
  try {
    const child = Bun.spawn(argv, { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' });
    const [text, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    return code === 0 ? text : undefined;
  } catch {
    return undefined;
  }
}
