import type { Explanation } from '../../../wire/explain.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';

/** The explanation as a person reads it. */
export function explanationText({ Summary, Findings }: Explanation): string {
  const width = Math.max(0, ...Findings.map(({ Verdict }) => Verdict.length));
  const lines = Findings.flatMap(({ From, Verdict, Text, Rule }) => [
    `  ${Verdict.padEnd(width)}  ${From}: ${Text}`,
    ...(Rule === undefined ? [] : [`  ${' '.repeat(width)}  by ${Rule}`]),
  ]);
  return [Summary, ...lines, ''].join('\n');
}

export const command = defineCommand({
  name: 'explain',
  summary: 'Say what happens to packets, and which rule decides',
  usage: '[OPTIONS] [HOST:]PORT[/PROTOCOL] | CONTAINER',
  description: `Says in words who reaches a port of this host or a container, where it leads, and which rule of which table decides:
published ports, isolation of networks, firewalls of others, another program at the port, nothing that listens.
Nothing is sent and nothing is changed.`,
  args: { min: 1, max: 1 },
  completes: 'container',
  flags: { format: flag(text, { help: "'json': the answer as JSON" }) },
  async run({ client, console }, flags, [target = '']) {
    if (flags.format !== '' && flags.format !== 'json') {
      throw new CommandFailure(`unknown format ${JSON.stringify(flags.format)}: only json is known`);
    }
    const answer = await client.json<Explanation>('GET', '/networks/-/explain', { query: { target } });
    console.out(flags.format === 'json' ? `${JSON.stringify(answer)}\n` : explanationText(answer));
    return 0;
  },
});
