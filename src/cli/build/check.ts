import type { BuildCheckResult, BuildCheckWarning } from '../../wire/build-check.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { csvFields } from '../run/csv.ts';
import { openContext } from './context.ts';
import { defaultArguments } from './defaults.ts';
import { buildQuery } from './query.ts';
import type { BuildFlags } from './refusals.ts';

/** `--call`: what is done with a Dockerfile. */
export interface Call {
  readonly method: 'build' | 'check';
  readonly format: 'text' | 'json';
}

/** Reads `--call` and `--check`. @throws CommandFailure for another method */
export function callOf({ call, check }: Pick<BuildFlags, 'call' | 'check'>): Call {
  const [method = '', ...options] = csvFields(call);
  let format: Call['format'] = 'text';
  for (const option of options) {
    if (option === 'format=json') format = 'json';
    else if (option !== 'format=text') {
      throw new CommandFailure(`invalid value for --call: ${option}: give format=json or format=text`);
    }
  }
  if (check && !['build', 'check', 'lint'].includes(method)) {
    throw new CommandFailure(`--check and --call=${method} cannot be used together: leave one out`);
  }
  if (check || method === 'check' || method === 'lint') return { method: 'check', format };
  if (method === 'build' || method === '') return { method: 'build', format };
  throw new CommandFailure(`invalid value for --call: ${method}: give build or check`);
}

/** Looks a Dockerfile over. @returns the exit code: 1 when there is something to say */
export async function checkBuild(
  context: CommandContext,
  flags: BuildFlags,
  place: string,
  format: Call['format'],
): Promise<number> {
  const source = await openContext(place, flags.file, 'rules');
  const query = buildQuery({
    flags,
    defaultArguments: defaultArguments(context),
    dockerfile: source.dockerfile,
    remote: source.remote,
    platform: flags.platform,
  });
  const result = await context.client.json<BuildCheckResult>('POST', '/build/check', {
    query,
    headers: { 'Content-Type': 'application/x-tar' },
    ...(source.body && { body: source.body }),
  });
  const name = flags.file === '-' || place === '-' ? 'Dockerfile' : source.dockerfile || 'Dockerfile';
  context.console.out(format === 'json' ? jsonOf(result, name) : textOf(result, name));
  return result.error || result.warnings.length > 0 ? 1 : 0;
}

/** As buildx prints it. */
export function textOf({ warnings, error, dockerfile }: BuildCheckResult, name: string): string {
  const count = warnings.length;
  const lines = dockerfile.split(/\r?\n/);
  const parts = warnings.map((warning) => warningText(warning, name, lines));
  const found = count === 1 ? '1 warning has been found' : `${count} warnings have been found`;
  let text = count > 0 ? `Check complete, ${found}!\n\n${parts.join('\n')}` : '';
  if (error) {
    text += `${text === '' ? '' : '\n'}ERROR: ${error.message}\n`;
    if (error.startLine > 0) text += place(name, lines, error.startLine, error.endLine);
  }
  return text === '' ? 'Check complete, no warnings found.\n' : text;
}

function warningText(warning: BuildCheckWarning, name: string, lines: readonly string[]): string {
  const { ruleName, url, detail, startLine, endLine } = warning;
  return `WARNING: ${ruleName} - ${url}\n${detail}\n${place(name, lines, startLine, endLine)}`;
}

const RULE = '-'.repeat(20);
/** Lines shown before and after those that are meant. */
const AROUND = 2;

function place(name: string, lines: readonly string[], first: number, last: number): string {
  const shown: string[] = [];
  for (let line = Math.max(1, first - AROUND); line <= Math.min(lines.length, last + AROUND); line++) {
    const mark = line >= first && line <= last ? '>>>' : '   ';
    shown.push(`${String(line).padStart(4)} | ${mark} ${lines[line - 1] ?? ''}`.trimEnd());
  }
  return `${name}:${first}\n${RULE}\n${shown.join('\n')}\n${RULE}\n`;
}

/** BuildKit's `result.json` of a check. */
function jsonOf({ warnings, error, dockerfile }: BuildCheckResult, name: string): string {
  const location = (first: number, last: number) => ({
    sourceIndex: 0,
    ranges: [{ start: { line: first }, end: { line: last } }],
  });
  const result = {
    warnings: warnings.map(({ ruleName, description, url, detail, startLine, endLine }) => ({
      ...{ ruleName, description, url, detail },
      location: location(startLine, endLine),
    })),
    sources: [{ filename: name, language: 'Dockerfile', data: Buffer.from(dockerfile).toString('base64') }],
    ...(error && {
      buildError: { message: error.message, location: location(error.startLine, error.endLine) },
    }),
  };
  return `${JSON.stringify(result, null, 2)}\n`;
}
