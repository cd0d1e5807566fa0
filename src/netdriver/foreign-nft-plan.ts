import { acceptRule } from './foreign-plan.ts';

/** What is to be done in a forward chain of nftables that is not ours. */
export interface NftAcceptPlan {
  /** It lets nothing pass by itself: by its policy, or by a last rule that stops all. */
  readonly closed: boolean;
  /** Handles of our rules that are not wanted there. */
  readonly remove: readonly number[];
  /** Bridges that need their pair of rules. */
  readonly add: readonly string[];
  /** Handle of the rule that they go before; undefined: at the end. */
  readonly before: number | undefined;
}

interface ListedRule {
  readonly handle: number;
  readonly comment?: string;
  readonly expr?: ReadonlyArray<Readonly<Record<string, unknown>>>;
}

/**
 * Reads `nft -j -a list chain` and plans our accept rules: after the rules that are there, so that what an
 * administrator drops stays dropped, but before one that stops everything, or leads into firewalld's zones, which
 * do. Pure.
 */
export function planNftAccepts(
  json: string,
  table: string,
  bridges: readonly string[],
  policy: 'accept' | 'drop',
): NftAcceptPlan {
  const parsed: { nftables?: Array<{ rule?: ListedRule }> } = JSON.parse(json);
  const rules = (parsed.nftables ?? []).flatMap(({ rule }) => rule ?? []);
  const isOurs = ({ comment }: ListedRule): boolean => comment?.startsWith(`tare:${table}:`) ?? false;
  const end = rules.findIndex((rule) => !isOurs(rule) && stopsAll(rule));
  const closed = policy === 'drop' || end >= 0;
  const zones = rules.findIndex(leadsToZones);
  const limit = Math.min(...[end, zones].filter((index) => index >= 0), rules.length);
  const wanted = closed ? bridges : [];
  const remove: number[] = [];
  const present = new Map<string, number>();
  for (const [index, rule] of rules.entries()) {
    if (!isOurs(rule)) continue;
    const bridge = wanted.find((name) => acceptRule(table, name) === rule.comment);
    const reached = index < limit;
    if (bridge && reached) present.set(bridge, (present.get(bridge) ?? 0) + 1);
    if (!bridge || !reached) remove.push(rule.handle);
  }
  for (const [bridge, count] of present) {
    if (count === 2) continue;
    // Half a pair, or more than one: made anew.
    const comment = acceptRule(table, bridge);
    remove.push(...rules.filter((rule) => rule.comment === comment).map(({ handle }) => handle));
  }
  const add = wanted.filter((bridge) => present.get(bridge) !== 2);
  return { closed, remove: [...new Set(remove)], add, before: rules[limit]?.handle };
}

/** True for `drop` and `reject` without a condition. */
function stopsAll({ expr = [] }: ListedRule): boolean {
  const [first, ...more] = expr.filter((one) => !('counter' in one) && !('log' in one));
  return first !== undefined && more.length === 0 && ('drop' in first || 'reject' in first);
}

function leadsToZones({ expr = [] }: ListedRule): boolean {
  return expr.some((one) => JSON.stringify(one.jump ?? '').includes('filter_FORWARD_ZONES'));
}
