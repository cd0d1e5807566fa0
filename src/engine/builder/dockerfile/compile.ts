import { compileCommand, compileHealthcheck, compileRun, compileShell } from './compile-commands.ts';
import { compileAdd, compileCopy } from './compile-copy.ts';
import { DockerfileError } from './dockerfile-error.ts';
import { atSpan, Flags, refuseFlags } from './flags.ts';
import type {
  ArgInstruction,
  CompiledDockerfile,
  FromInstruction,
  Instruction,
  OnbuildInstruction,
  StageSource,
} from './instructions.ts';
import { type ParsedDockerfile, parseDockerfile, type Statement } from './parse.ts';
import { jsonList, keyValues, rawWords } from './words.ts';

/**
 * Statements as typed instructions, in stages. What can be wrong without knowing variables is found here. Throws
 * `DockerfileError`.
 */
export function compile(file: ParsedDockerfile): CompiledDockerfile {
  const { directives, escapeChar } = file;
  const globals: ArgInstruction[] = [];
  const stages: Array<StageSource & { readonly instructions: Instruction[] }> = [];
  for (const statement of file.statements) {
    const current = stages.at(-1);
    if (statement.name === 'FROM') {
      const { from, name } = compileFrom(statement);
      stages.push({ index: stages.length, name, from, instructions: [] });
    } else if (current) current.instructions.push(compileInstruction(statement, escapeChar));
    else if (statement.name === 'ARG') globals.push(compileArg(statement, escapeChar));
    else {
      throw new DockerfileError(
        `no build stage in current context: ${statement.name} stands before the first FROM`,
        statement.span,
      );
    }
  }
  if (stages.length === 0) throw new DockerfileError('no build stage: a Dockerfile needs a FROM', undefined);
  return { directives, escapeChar, globals, stages };
}

/** What an ONBUILD of the base image adds to a stage; its lines are those of `at`, the FROM. */
export function compileTrigger(trigger: string, at: FromInstruction): Instruction[] {
  const { statements, escapeChar } = parseDockerfile(trigger);
  return statements.map((statement) => compileInstruction({ ...statement, span: at.span }, escapeChar));
}

function compileFrom(statement: Statement): { from: FromInstruction; name: string } {
  const { span, text, rest } = statement;
  const platform = new Flags(statement, { platform: 'text' }).text('platform');
  const words = rest.split(/\s+/).filter((word) => word !== '');
  const [image = '', as, name = ''] = words;
  if (words.length !== 1 && (words.length !== 3 || as?.toLowerCase() !== 'as')) {
    throw new DockerfileError('FROM requires either one or three arguments: FROM IMAGE [AS NAME]', span);
  }
  if (name !== '' && !/^[a-z][a-z0-9-_.]*$/i.test(name)) {
    throw new DockerfileError(
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
      span,
    );
  }
  return { from: { span, text, image, platform }, name: name.toLowerCase() };
}

function compileArg(statement: Statement, escapeChar: string): ArgInstruction {
  const words = rawWords(statement.rest, escapeChar);
  if (words.length === 0) throw new DockerfileError('ARG requires at least one argument', statement.span);
  const args = words.map((word) => {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (name === '') throw new DockerfileError('ARG names can not be blank', statement.span);
    return { name, fallback: equals < 0 ? undefined : word.slice(equals + 1) };
  });
  return { kind: 'arg', span: statement.span, text: statement.text, args };
}

type Compile = (statement: Statement, escapeChar: '\\' | '`') => Instruction;

/** Throws `DockerfileError` with the statement's lines. */
export function compileInstruction(statement: Statement, escapeChar: '\\' | '`'): Instruction {
  const compiler = COMPILERS[statement.name];
  if (!compiler) throw new DockerfileError(`${statement.name} cannot stand here`, statement.span);
  return atSpan(statement.span, () => compiler(statement, escapeChar));
}

const common = ({ span, text }: Statement) => ({ span, text });

/** The rest of the line, which must not be empty. */
function only(statement: Statement): string {
  refuseFlags(statement);
  if (statement.rest !== '') return statement.rest;
  throw new DockerfileError(`${statement.name} requires exactly one argument`, statement.span);
}

function several(statement: Statement, words: readonly string[]): readonly string[] {
  refuseFlags(statement);
  if (words.length > 0) return words;
  throw new DockerfileError(`${statement.name} requires at least one argument`, statement.span);
}

function pairsOf(kind: 'env' | 'label'): Compile {
  return (statement, escapeChar) => {
    refuseFlags(statement);
    return { kind, ...common(statement), ...keyValues(statement.name, statement.rest, escapeChar) };
  };
}

const COMPILERS: Readonly<Record<string, Compile>> = {
  ADD: compileAdd,
  ARG: compileArg,
  CMD: (statement) => ({ kind: 'cmd', ...common(statement), command: compileCommand(statement) }),
  COPY: compileCopy,
  ENTRYPOINT: (statement) => ({
    kind: 'entrypoint',
    ...common(statement),
    command: compileCommand(statement),
  }),
  ENV: pairsOf('env'),
  EXPOSE: (statement) => ({
    kind: 'expose',
    ...common(statement),
    ports: several(statement, blanks(statement.rest)).toSorted(),
  }),
  HEALTHCHECK: compileHealthcheck,
  LABEL: pairsOf('label'),
  MAINTAINER: (statement) => ({ kind: 'maintainer', ...common(statement), name: only(statement) }),
  ONBUILD: compileOnbuild,
  RUN: compileRun,
  SHELL: compileShell,
  STOPSIGNAL: (statement) => ({ kind: 'stopsignal', ...common(statement), signal: only(statement) }),
  USER: (statement) => ({ kind: 'user', ...common(statement), user: only(statement) }),
  VOLUME: (statement) => {
    const paths = several(statement, jsonList(statement.rest) ?? blanks(statement.rest));
    if (paths.some((path) => path.trim() === '')) {
      throw new DockerfileError('VOLUME specified can not be an empty string', statement.span);
    }
    return { kind: 'volume', ...common(statement), paths: paths.map((path) => path.trim()) };
  },
  WORKDIR: (statement) => ({ kind: 'workdir', ...common(statement), path: only(statement) }),
};

const blanks = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

function compileOnbuild(statement: Statement, escapeChar: '\\' | '`'): OnbuildInstruction {
  const { span, text, rest, heredocs } = statement;
  const word = (rest.split(/\s/, 1)[0] ?? '').toUpperCase();
  if (word === '') throw new DockerfileError('ONBUILD requires at least one argument', span);
  if (word === 'ONBUILD') {
    throw new DockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", span);
  }
  if (word === 'FROM' || word === 'MAINTAINER') {
    throw new DockerfileError(`${word} isn't allowed as an ONBUILD trigger`, span);
  }
  const documents = heredocs.map(({ name, content }) => `\n${content}${name}`).join('');
  const trigger = rest + documents;
  // A trigger that cannot be read would only fail in somebody else's build.
  const directive = escapeChar === '\\' ? '' : `# escape=${escapeChar}\n`;
  try {
    for (const inner of parseDockerfile(directive + trigger).statements)
      compileInstruction(inner, escapeChar);
  } catch (error) {
    throw error instanceof DockerfileError ? new DockerfileError(error.reason, span) : error;
  }
  return { kind: 'onbuild', span, text, trigger };
}
