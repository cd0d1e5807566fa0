import { COMMANDS, type FlagRow, flagRows } from './table.ts';

function line({ title, shown }: FlagRow): string {
  if (shown === undefined) return `| \`${title}\` | open | |\n`;
  const name = shown.test.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  return `| \`${title}\` | [${name}](../${shown.file}) | ${shown.where === 'vm' ? 'virtual machine' : 'here'} |\n`;
}

/** The text of docs/run-flags.md. */
export function flagsPage(): string {
  const rows = flagRows();
  const parts = COMMANDS.map((command) => {
    const own = rows.filter((row) => row.command === command);
    return `## ${command}\n\n| flag | shown by | where |\n| --- | --- | --- |\n${own.map(line).join('')}`;
  });
  return `# The flags of run, create, update and exec

All flags of these commands in version 28 of the docker CLI, each with the test that shows it. "Here" is \`./check\` on
the machine it runs on, "virtual machine" is \`./check --vm\`. Open: the flag is
there, no test shows it yet.

Made from test/run-flags by \`bun scripts/gen-run-flags.ts\`; a test fails when it is out of date.

${parts.join('\n')}`;
}
