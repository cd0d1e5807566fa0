import type { Command, FlagTable } from './command.ts';
import { PROGRAM } from './program.ts';

/** Breaks `text` at spaces into lines of at most `width` characters; existing line breaks stay. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/(?<= )(?! )/)) {
      if (line !== '' && (line + word).trimEnd().length > width) {
        lines.push(line.trimEnd());
        line = '';
      }
      line += word;
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

/** The flags as help shows them: sorted by long name, in two columns, wrapped to `width` characters. */
export function flagUsages(flags: FlagTable, width: number): string {
  const rows: Array<[string, string]> = [];
  for (const name of Object.keys(flags).sort()) {
    const spec = flags[name]!;
    if (spec.hidden || spec.aliasOf !== undefined || spec.deprecated !== undefined) continue;
    const short = spec.short === undefined ? '    ' : `-${spec.short}, `;
    const type = spec.kind.typeName === '' ? '' : ` ${spec.kind.typeName}`;
    const defaultText = spec.defaultText ?? spec.kind.defaultText ?? '';
    rows.push([
      `  ${short}--${name}${type}`,
      spec.help + (defaultText === '' ? '' : ` (default ${defaultText})`),
    ]);
  }
  const column = Math.max(0, ...rows.map(([left]) => left.length)) + 3;
  let output = '';
  for (const [left, help] of rows) {
    const lines = wrap(help, Math.max(24, width - column));
    output += left.padEnd(column) + lines.join(`\n${' '.repeat(column)}`);
    output += '\n';
  }
  return output;
}

/** The usage line: `tare ps [OPTIONS]`. */
export function usageLine(title: string, command: Pick<Command, 'usage'>): string {
  return `${title} ${command.usage}`.trimEnd();
}

/** The whole help text of a command. `aliases` are all its full names, empty when there is only one. */
export function commandHelp(
  title: string,
  command: Command,
  aliases: readonly string[],
  width: number,
): string {
  let output = `Usage:  ${usageLine(title, command)}\n\n${command.description ?? command.summary}\n`;
  if (aliases.length > 1) output += `\nAliases:\n  ${aliases.join(', ')}\n`;
  const flags = flagUsages(command.flags, width);
  if (flags !== '') output += `\nOptions:\n${flags}`;
  return output;
}

/** A list of commands with their summaries, as help of a noun shows it. */
export function commandList(heading: string, rows: ReadonlyArray<readonly [string, string]>): string {
  const column = Math.max(11, ...rows.map(([name]) => name.length)) + 1;
  return `${heading}:\n${rows.map(([name, summary]) => `  ${name.padEnd(column)}${summary}\n`).join('')}`;
}

/** Help of a noun: `tare container`. */
export function nounHelp(
  noun: string,
  summary: string,
  rows: ReadonlyArray<readonly [string, string]>,
): string {
  return `Usage:  ${PROGRAM} ${noun} COMMAND

${summary}

${commandList('Commands', rows)}
Run '${PROGRAM} ${noun} COMMAND --help' for more information on a command.
`;
}
