import { TareError } from '../base/errors.ts';

/** One chain of the host's nftables, ours and others'. */
export interface SurveyedChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Of a chain that hangs in a hook: `forward`, `input`, …; else empty. */
  readonly hook: string;
  readonly policy: 'accept' | 'drop';
  readonly rules: readonly string[];
}

/** All chains of the network namespace. Throws `unavailable` without nft. */
export async function surveyFirewall(): Promise<SurveyedChain[]> {
  try {
    const child = Bun.spawn(['nft', '-n', 'list', 'ruleset'], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
    });
    const [text] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    return parseRuleset(text);
  } catch (error) {
    throw new TareError('unavailable', 'cannot run nft; install the package nftables', error);
  }
}

/** Reads what `nft list ruleset` prints. */
export function parseRuleset(text: string): SurveyedChain[] {
  const chains: SurveyedChain[] = [];
  let table: { family: string; name: string } | undefined;
  let chain: { hook: string; policy: 'accept' | 'drop'; rules: string[]; name: string } | undefined;
  for (const line of text.split('\n')) {
    const opened = /^table (\S+) (\S+) \{/.exec(line);
    if (opened) table = { family: opened[1] ?? '', name: opened[2] ?? '' };
    const named = /^\tchain (\S+) \{/.exec(line);
    if (named) chain = { name: named[1] ?? '', hook: '', policy: 'accept', rules: [] };
    else if (chain && line === '\t}') {
      if (table) chains.push({ family: table.family, table: table.name, ...chain });
      chain = undefined;
    } else if (chain && line.startsWith('\t\ttype ')) {
      chain.hook = /hook (\S+)/.exec(line)?.[1] ?? '';
      if (line.includes('policy drop')) chain.policy = 'drop';
    } else if (chain) chain.rules.push(line.trim());
  }
  return chains;
}
