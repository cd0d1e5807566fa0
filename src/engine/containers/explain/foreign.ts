import type { SurveyedChain } from '../../../netdriver/firewall-survey.ts';
import type { Finding } from './explanation.ts';
import type { NetworkFacts } from './facts.ts';

/** `table inet admin, chain input` */
export const chainName = ({ family, table, name }: SurveyedChain): string =>
  `table ${family} ${table}, chain ${name}`;

const isOurs = (chain: SurveyedChain, { table }: NetworkFacts): boolean => chain.table === table;

/** The base chain and those that its rules lead to. */
function reachable(base: SurveyedChain, all: readonly SurveyedChain[]): SurveyedChain[] {
  const result = [base];
  for (const chain of result) {
    for (const rule of chain.rules) {
      const next = /\b(?:jump|goto) (\S+)/.exec(rule)?.[1];
      const found = all.find(
        ({ family, table, name }) => family === base.family && table === base.table && name === next,
      );
      if (found && !result.includes(found)) result.push(found);
    }
  }
  return result;
}

/** Rules of others in that hook that stop packets and name one of `words`. */
function stops(facts: NetworkFacts, hook: string, words: readonly string[]): Finding[] {
  const named = words.map((word) => new RegExp(`(?<![\\w.:])${word.replaceAll('.', '\\.')}(?![\\w.:])`));
  return facts.chains
    .filter((chain) => chain.hook === hook && !isOurs(chain, facts))
    .flatMap((base) => reachable(base, facts.chains))
    .flatMap((chain) =>
      chain.rules
        .filter((rule) => /\b(drop|reject)\b/.test(rule) && named.some((word) => word.test(rule)))
        .map(
          (rule): Finding => ({
            from: 'whoever this rule means',
            verdict: 'stopped',
            text: `a rule that is not Tare's stops packets in the ${hook} hook`,
            rule: `${chainName(chain)}: ${rule}`,
          }),
        ),
    );
}

/** What stops all that no other rule of the chain accepts; undefined: nothing does. */
function whyClosed({ policy, rules }: SurveyedChain): string | undefined {
  if (policy === 'drop') return 'policy drop';
  return rules.find((rule) => /^(counter packets \d+ bytes \d+ )?(drop|reject( with [\w -]+)?)$/.test(rule));
}

/** What firewalls of others do to packets on their way through the host to these bridges. */
export function foreignForward(
  facts: NetworkFacts,
  bridges: readonly string[],
  words: readonly string[],
): Finding[] {
  const findings: Finding[] = [];
  for (const base of facts.chains) {
    if (base.hook !== 'forward' || isOurs(base, facts)) continue;
    if (base.family !== 'ip' && base.family !== 'inet') continue;
    const why = whyClosed(base);
    if (why === undefined) continue;
    const rules = reachable(base, facts.chains).flatMap((chain) =>
      chain.rules.map((rule) => ({ chain, rule })),
    );
    for (const bridge of bridges) {
      const marked = rules.find(({ rule }) => rule.includes(`tare:${facts.table}:${bridge}`));
      findings.push(
        marked
          ? {
              from: `what passes ${bridge}`,
              verdict: 'passes',
              text: `another firewall lets nothing through by itself; Tare's marked rule there accepts this bridge`,
              rule: `${chainName(base)} (${why}); ${chainName(marked.chain)}: ${marked.rule}`,
            }
          : {
              from: `what passes ${bridge}`,
              verdict: 'stopped',
              text: 'another firewall lets nothing through by itself, and Tare has no rule there: see the log of the daemon',
              rule: `${chainName(base)}: ${why}`,
            },
      );
    }
  }
  return [...findings, ...stops(facts, 'forward', words)];
}

/** What the host's input policy says to a port of its own. */
export function inputPolicy(facts: NetworkFacts, protocol: string, port: number): Finding[] {
  const own = new RegExp(`\\b${protocol} dport (?:\\{[^}]*\\b)?${port}\\b`);
  const bases = facts.chains.filter((chain) => chain.hook === 'input' && !isOurs(chain, facts));
  const findings = bases.flatMap((base) => {
    const rules = reachable(base, facts.chains).flatMap((chain) =>
      chain.rules.map((rule) => ({ chain, rule })),
    );
    const decisive = rules.filter(({ rule }) => own.test(rule) && /\b(accept|drop|reject)\b/.test(rule));
    return decisive.map(
      ({ chain, rule }): Finding => ({
        from: 'whoever this rule means',
        verdict: /\baccept\b/.test(rule) ? 'passes' : 'stopped',
        text: `the host's input policy names the port`,
        rule: `${chainName(chain)}: ${rule}`,
      }),
    );
  });
  const closed = bases.filter(({ policy }) => policy === 'drop');
  return [
    ...findings,
    ...closed.map(
      (base): Finding => ({
        from: 'everybody else',
        verdict: 'stopped',
        text: `the host's input policy drops what no rule of it accepts`,
        rule: `${chainName(base)}: policy drop`,
      }),
    ),
  ];
}
