import { GLOBAL_FLAGS } from './global-flags.ts';
import { commandList, flagUsages, nounHelp } from './help.ts';
import { PROGRAM } from './program.ts';
import { COMMON, type CommandLoader, NOUNS, SHORT_FORMS, TOP } from './tree.ts';

type Row = readonly [name: string, summary: string];

async function summaries(loaders: Readonly<Record<string, CommandLoader>>): Promise<Row[]> {
  const rows = Object.entries(loaders).map(
    async ([name, load]): Promise<Row> => [name, (await load()).command.summary],
  );
  return (await Promise.all(rows)).sort(([left], [right]) => (left < right ? -1 : 1));
}

/** The help of `tare` alone. */
export async function topHelp(): Promise<string> {
  const loaders: Record<string, CommandLoader> = { ...TOP };
  for (const [name, [noun, verb]] of Object.entries(SHORT_FORMS)) loaders[name] = NOUNS[noun]!.verbs[verb]!;
  const rows = await summaries(loaders);
  const common = COMMON.map((name) => rows.find(([other]) => other === name)!);
  const others = rows.filter((row) => !common.includes(row));
  others.push(['daemon', 'Run the daemon in the foreground']);
  others.sort(([left], [right]) => (left < right ? -1 : 1));
  const nouns = Object.entries(NOUNS).map(([name, noun]): Row => [name, noun.summary]);
  return `Usage:  ${PROGRAM} [OPTIONS] COMMAND

A container engine for Linux

${commandList('Common Commands', common)}
${commandList('Management Commands', nouns)}
${commandList('Commands', others)}
Global Options:
${flagUsages(GLOBAL_FLAGS, 80)}
Run '${PROGRAM} COMMAND --help' for more information on a command.
`;
}

/** The help of a noun. */
export async function nounHelpText(name: string): Promise<string> {
  const noun = NOUNS[name]!;
  return nounHelp(name, noun.summary, await summaries(noun.verbs));
}
