import { DockerfileError } from './dockerfile-error.ts';
import { heredocsIn } from './heredoc.ts';
import { INSTRUCTIONS, unknownWord } from './unknown-word.ts';

/** Where something stands in the Dockerfile; lines count from 1. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** A here-document of an instruction. */
export interface Heredoc {
  readonly name: string;
  /** With every line's newline. */
  readonly content: string;
  /** False when the delimiter was quoted: variables in it stay as they are. */
  readonly expand: boolean;
}

/** One instruction, not yet understood: its flags are apart, continued lines are joined. */
export interface Statement {
  /** Upper case. */
  readonly name: string;
  /** `--chown=1:2`, `--link`: name and value, in order; a flag without `=` has an empty value. */
  readonly flags: ReadonlyArray<{ readonly name: string; readonly value: string; readonly bare: boolean }>;
  /** What follows the flags. */
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  /** As a step of the build names it. */
  readonly text: string;
  readonly span: Span;
}

/** A Dockerfile as statements. */
export interface ParsedDockerfile {
  readonly directives: Readonly<Record<string, string>>;
  /** The escape character: backslash, or a backtick by directive. */
  readonly escapeChar: '\\' | '`';
  readonly statements: readonly Statement[];
  readonly lines: readonly string[];
}

const DIRECTIVES = new Set(['syntax', 'escape', 'check']);
/** Instructions that may bring here-documents. */
const WITH_HEREDOCS = new Set(['RUN', 'COPY', 'ADD', 'ONBUILD']);
const WITH_FLAGS = new Set(['FROM', 'RUN', 'COPY', 'ADD', 'HEALTHCHECK']);

/**
 * Splits a Dockerfile into statements as BuildKit's parser does: parser directives at the top, comments, continued
 * lines, here-documents. Throws `DockerfileError` with the line.
 */
export function parseDockerfile(text: string): ParsedDockerfile {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const directives = readDirectives(lines);
  const escapeChar = directives.escape ?? '\\';
  if (escapeChar !== '\\' && escapeChar !== '`') {
    throw new DockerfileError(`invalid escape token '${escapeChar}' does not match \` or \\`, {
      first: 1,
      last: 1,
    });
  }
  const statements: Statement[] = [];
  for (let index = 0; index < lines.length; ) {
    const read = readStatement(lines, index, escapeChar);
    index = read.next;
    if (read.statement) statements.push(read.statement);
  }
  if (statements.length === 0) throw new DockerfileError('file with no instructions', undefined);
  return { directives, escapeChar, statements, lines };
}

/** `# name=value` lines before anything else, as long as they are directives that exist. */
function readDirectives(lines: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [index, line] of lines.entries()) {
    const [, name = '', value = ''] = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line) ?? [];
    const key = name.toLowerCase();
    if (!DIRECTIVES.has(key)) break;
    if (found[key] !== undefined) {
      throw new DockerfileError(`only one ${key} parser directive can be used`, {
        first: index + 1,
        last: index + 1,
      });
    }
    found[key] = value;
  }
  return found;
}

const isComment = (line: string): boolean => /^\s*#/.test(line);

/** Text without the continuation mark at its end; undefined: the line ends here. */
function continued(line: string, escapeChar: string): string | undefined {
  const trimmed = line.replace(/[ \t]+$/, '');
  if (!trimmed.endsWith(escapeChar)) return undefined;
  // An escaped escape character is itself.
  if (trimmed.length > 1 && trimmed.at(-2) === escapeChar) return undefined;
  return trimmed.slice(0, -1);
}

function readStatement(
  lines: readonly string[],
  start: number,
  escapeChar: '\\' | '`',
): { next: number; statement: Statement | undefined } {
  const firstLine = lines[start] ?? '';
  if (firstLine.trim() === '' || isComment(firstLine)) return { next: start + 1, statement: undefined };
  let index = start;
  let logical = '';
  let last = start;
  for (let part: string | undefined = firstLine.replace(/^\s+/, ''); part !== undefined; ) {
    const more = continued(part, escapeChar);
    logical += more ?? part;
    last = index;
    index++;
    if (more === undefined) break;
    while (index < lines.length && ((lines[index] ?? '').trim() === '' || isComment(lines[index] ?? '')))
      index++;
    part = lines[index];
  }
  const head = splitStatement(logical.trim(), { first: start + 1, last: last + 1 });
  const heredocs: Heredoc[] = [];
  if (WITH_HEREDOCS.has(head.name)) {
    for (const mark of heredocsIn(head.rest)) {
      const read = readHeredoc(lines, index, mark, start);
      heredocs.push(read.heredoc);
      index = read.next;
      last = index - 1;
    }
  }
  return {
    next: index,
    statement: { ...head, heredocs, text: logical.trim(), span: { first: start + 1, last: last + 1 } },
  };
}

function splitStatement(text: string, span: Span): Pick<Statement, 'name' | 'flags' | 'rest'> {
  const [, word = '', after = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  if (!INSTRUCTIONS.some((known) => known === name)) {
    throw new DockerfileError(unknownWord('instruction', name, INSTRUCTIONS), span);
  }
  const flags: Array<Statement['flags'][number]> = [];
  let rest = after;
  while (WITH_FLAGS.has(name)) {
    const match = /^--(\S*)\s*/.exec(rest);
    if (!match) break;
    rest = rest.slice(match[0].length);
    const body = match[1] ?? '';
    if (body === '') break;
    const equals = body.indexOf('=');
    flags.push(
      equals < 0
        ? { name: body, value: '', bare: true }
        : { name: body.slice(0, equals), value: unquote(body.slice(equals + 1)), bare: false },
    );
  }
  return { name, flags, rest };
}

function unquote(value: string): string {
  const [, inner] = /^"(.*)"$/.exec(value) ?? /^'(.*)'$/.exec(value) ?? [];
  return inner ?? value;
}

function readHeredoc(
  lines: readonly string[],
  from: number,
  mark: ReturnType<typeof heredocsIn>[number],
  start: number,
): { next: number; heredoc: Heredoc } {
  let content = '';
  for (let index = from; index < lines.length; index++) {
    const line = mark.chomp ? (lines[index] ?? '').replace(/^\t+/, '') : (lines[index] ?? '');
    if (line === mark.name) {
      return { next: index + 1, heredoc: { name: mark.name, content, expand: mark.expand } };
    }
    content += `${line}\n`;
  }
  throw new DockerfileError(`unterminated heredoc: no line "${mark.name}" ends it`, {
    first: start + 1,
    last: lines.length,
  });
}
