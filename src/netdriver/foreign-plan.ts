/** The comment that marks our rules in foreign chains. */
export function acceptRule(table: string, bridge: string): string {
  return `tare:${table}:${bridge}`;
}

/** What is to be done in the `filter` table of iptables. */
export interface AcceptPlan {
  /** Arguments for iptables, in order. */
  readonly steps: string[][];
  /** Bridges that dockerd guards there. */
  readonly foreignBridges: string[];
}

/**
 * Reads `iptables -S` and plans the pair of accept rules a bridge: in DOCKER-USER where dockerd has it (its
 * documented place for rules of others), else in FORWARD; after the rules that are there, so that what an
 * administrator drops stays dropped, but before a final rule that ends the chain for all. Rules that bear our
 * mark and are not wanted (any more) at that place are taken away.
 */
export function planAccepts(listed: string, table: string, bridges: readonly string[]): AcceptPlan {
  const lines = listed.split('\n').map((line) => line.trim());
  const drops = lines.includes('-P FORWARD DROP');
  const chain = lines.includes('-N DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD';
  const missing = new Map<string, string[]>();
  for (const bridge of drops ? bridges : []) {
    const mark = ['-m', 'comment', '--comment', acceptRule(table, bridge), '-j', 'ACCEPT'];
    for (const side of ['-i', '-o']) {
      const rule = [side, bridge, ...mark];
      missing.set(`-A ${chain} ${rule.join(' ')}`, rule);
    }
  }
  const steps: string[][] = [];
  const prefix = `tare:${table}:`;
  for (const line of lines) {
    const comment = /--comment "?([^" ]+)"?/.exec(line)?.[1];
    if (!line.startsWith('-A ') || !comment?.startsWith(prefix)) continue;
    const plain = line.replaceAll('"', '');
    if (missing.delete(plain)) continue;
    steps.push(['-D', ...plain.split(' ').slice(1)]);
  }
  if (missing.size > 0) {
    const rules = lines.filter((line) => line.startsWith(`-A ${chain} `));
    const ends = /^-A \S+ -j (RETURN|DROP|REJECT)/.test(rules.at(-1) ?? '');
    const removed = steps.filter((step) => step[1] === chain).length;
    for (const rule of missing.values()) {
      const last = rules.length - removed + (steps.length - countDeletes(steps));
      steps.push(ends ? ['-I', chain, String(last), ...rule] : ['-A', chain, ...rule]);
    }
  }
  const foreignBridges = drops
    ? lines.flatMap((line) => /^-A \S+ -o (\S+) -j DOCKER$/.exec(line)?.[1] ?? [])
    : [];
  return { steps, foreignBridges };
}

function countDeletes(steps: readonly string[][]): number {
  return steps.filter((step) => step[0] === '-D').length;
}
