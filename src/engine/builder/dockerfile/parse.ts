import { DockerfileError } from './dockerfile-error.ts';
import { leadingFlags } from './flags.ts';
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
  /** The same as it was written. */
  readonly keyword: string;
  /** `--chown=1:2`, `--link`: name and value, in order; a flag without `=` has an empty value. */
  readonly flags: ReadonlyArray<{ readonly name: string; readonly value: string; readonly bare: boolean }>;
  /** What follows the flags. */
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  /** As a step of the build names it. */
  readonly text: string;
  readonly span: Span;
  /** Comment lines right before it, without their `#`. */
  readonly comments: readonly string[];
  /** Empty lines stand among its continued ones. */
  readonly hasEmptyLine: boolean;
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
/** Of these everything after the name is theirs, also what looks like a flag. */
const WITHOUT_FLAGS = new Set(['ARG', 'STOPSIGNAL', 'ONBUILD']);

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
  let comments: string[] = [];
  for (let index = 0; index < lines.length; ) {
    const line = (lines[index] ?? '').trim();
    if (line === '' || line.startsWith('#')) {
      const comment = line.slice(1).trim();
      comments = comment === '' ? [] : [...comments, comment];
      index++;
      continue;
    }
    const read = readStatement(lines, index, escapeChar, comments);
    index = read.next;
    comments = [];
    statements.push(read.statement);
  }
  if (statements.length === 0) throw new DockerfileError('file with no instructions', undefined);
  return { directives, escapeChar, statements, lines };
}

/** `# name=value` lines before anything else, as long as they are directives that exist. */
function readDirectives(lines: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [index, line] of lines.entries()) {
    const [, name = '', value = ''] = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$/.exec(line.trimEnd()) ?? [];
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
  // Not by a pattern: one takes time by the square of the blanks.
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--;
  const trimmed = line.slice(0, end);
  if (!trimmed.endsWith(escapeChar)) return undefined;
  // An escaped escape character is itself.
  if (trimmed.length > 1 && trimmed.at(-2) === escapeChar) return undefined;
  return trimmed.slice(0, -1);
}

function readStatement(
  lines: readonly string[],
  start: number,
  escapeChar: '\\' | '`',
  comments: readonly string[],
): { next: number; statement: Statement } {
  const { logical, next, hasEmptyLine } = joinLines(lines, start, escapeChar);
  const head = splitStatement(logical, escapeChar, { first: start + 1, last: next });
  const heredocs: Heredoc[] = [];
  let index = next;
  if (WITH_HEREDOCS.has(head.name) && !head.rest.startsWith('[')) {
    for (const mark of heredocsIn(head.rest)) {
      const read = readHeredoc(lines, index, mark, start);
      heredocs.push(read.heredoc);
      index = read.next;
    }
  }
  return {
    next: index,
    statement: {
      ...head,
      heredocs,
      text: logical,
      span: { first: start + 1, last: index },
      comments,
      hasEmptyLine,
    },
  };
}

/** A line with those that continue it. `next`: index of the line after. */
function joinLines(
  lines: readonly string[],
  start: number,
  escapeChar: string,
): { logical: string; next: number; hasEmptyLine: boolean } {
  let logical = '';
  let hasEmptyLine = false;
  let index = start;
  for (let part: string | undefined = lines[start]?.trimStart(); part !== undefined; part = lines[index]) {
    const more = continued(part, escapeChar);
    logical += more ?? part;
    index++;
    if (more === undefined) break;
    for (; index < lines.length && isBlank(lines[index] ?? ''); index++) {
      // The end of the file is no line.
      if ((lines[index] ?? '').trim() === '' && index < lines.length - 1) hasEmptyLine = true;
    }
  }
  return { logical: logical.trim(), next: index, hasEmptyLine };
}

const isBlank = (line: string): boolean => line.trim() === '' || isComment(line);

function splitStatement(
  text: string,
  escapeChar: string,
  span: Span,
): Pick<Statement, 'name' | 'keyword' | 'flags' | 'rest'> {
  const [, keyword = '', after = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const name = keyword.toUpperCase();
  if (!INSTRUCTIONS.some((known) => known === name)) {
    throw new DockerfileError(unknownWord('instruction', name, INSTRUCTIONS), span);
  }
  if (WITHOUT_FLAGS.has(name)) return { name, keyword, flags: [], rest: after };
  return { name, keyword, ...leadingFlags(after, escapeChar) };
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
