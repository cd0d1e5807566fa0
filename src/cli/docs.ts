import type { Command } from './command.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { usageLine } from './help.ts';
import { PROGRAM } from './program.ts';
import { type CommandLoader, NOUNS, namesOf, TOP } from './tree.ts';

/** Text for a cell of a Markdown table. */
const cell = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', '<br>');

function flagTable(flags: Command['flags']): string {
  const rows = Object.keys(flags)
    .sort()
    .flatMap((name) => {
      const { kind, short, help, hidden, aliasOf, deprecated, defaultText } = flags[name]!;
      if (hidden || aliasOf !== undefined || deprecated !== undefined) return [];
      const title = `\`${short === undefined ? '' : `-${short}, `}--${name}\``;
      const standard = defaultText ?? kind.defaultText ?? '';
      return [`| ${title} | ${kind.typeName} | ${cell(standard)} | ${cell(help)} |\n`];
    });
  if (rows.length === 0) return '';
  return `## Options\n\n| option | value | default | |\n| --- | --- | --- | --- |\n${rows.join('')}`;
}

function page(path: string, command: Command): string {
  const names = namesOf(path, PROGRAM);
  const title = names[0]!;
  const others = names.slice(1).map((name) => `\`${name}\``);
  const aliases = others.length === 0 ? '' : `Also: ${others.join(', ')}\n\n`;
  const description = command.description === undefined ? command.summary : command.description;
  return `# ${title}

${description.includes('\n') ? `\`\`\`\n${description}\n\`\`\`` : description}

    ${usageLine(title, command)}

${aliases}${flagTable(command.flags)}`.replace(/\n*$/, '\n');
}

function nounPage(
  name: string,
  rows: ReadonlyArray<readonly [file: string, title: string, summary: string]>,
): string {
  const lines = rows.map(([file, title, summary]) => `| [\`${title}\`](${file}) | ${cell(summary)} |\n`);
  return `# ${PROGRAM} ${name}\n\n${NOUNS[name]!.summary}\n\n| command | |\n| --- | --- |\n${lines.join('')}`;
}

/** The pages of `docs/cli` by file name. */
export async function cliDocs(): Promise<Map<string, string>> {
  const pages = new Map<string, string>();
  const index: string[] = [];
  const add = async (path: string, load: CommandLoader) => {
    const { command } = await load();
    const file = `${path.replace('/', '-')}.md`;
    pages.set(file, page(path, command));
    return [file, namesOf(path, PROGRAM)[0]!, command.summary] as const;
  };
  for (const [noun, { verbs, summary }] of Object.entries(NOUNS)) {
    const rows = [];
    for (const verb of Object.keys(verbs).sort()) rows.push(await add(`${noun}/${verb}`, verbs[verb]!));
    pages.set(`${noun}.md`, nounPage(noun, rows));
    index.push(`| [\`${PROGRAM} ${noun}\`](${noun}.md) | ${cell(summary)} |\n`);
  }
  for (const [name, load] of Object.entries(TOP)) {
    const [file, title, summary] = await add(name, load);
    index.push(`| [\`${title}\`](${file}) | ${cell(summary)} |\n`);
  }
  const head = `# The command line\n\nMade from the commands by \`bun scripts/gen-cli-docs.ts\`; a test fails when it is out of date.\n\n`;
  pages.set('README.md', `${head}| command | |\n| --- | --- |\n${index.join('')}\n${globalOptions()}`);
  return pages;
}

const globalOptions = (): string =>
  flagTable(GLOBAL_FLAGS).replace('## Options', '## Options before the command');
