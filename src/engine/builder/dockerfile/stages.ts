import { DockerfileError } from './dockerfile-error.ts';
import { expandWord, type Lookup } from './expand.ts';
import type { ParsedDockerfile, Statement } from './parse.ts';
import { unknownWord } from './unknown-word.ts';
import { rawWords } from './words.ts';

/** A `FROM` and what follows it. */
export interface Stage {
  readonly index: number;
  /** Lower case; empty: it has none. */
  readonly name: string;
  /** An image, or the name of an earlier stage. */
  readonly base: string;
  readonly platform: string;
  readonly from: Statement;
  readonly statements: readonly Statement[];
}

export interface StagedDockerfile {
  readonly stages: readonly Stage[];
  /** Defaults of the ARGs before the first FROM; undefined: none was given. */
  readonly globals: ReadonlyMap<string, string | undefined>;
}

/**
 * Groups statements into stages and resolves what FROM names. `args`: `--build-arg` and the platform's arguments.
 * Throws `DockerfileError`.
 */
export function stagesOf(file: ParsedDockerfile, args: Lookup): StagedDockerfile {
  const globals = new Map<string, string | undefined>();
  const lookup: Lookup = (name) =>
    globals.has(name) ? (args(name) ?? globals.get(name)) : PLATFORM.test(name) ? args(name) : undefined;
  const stages: Array<Stage & { statements: Statement[] }> = [];
  for (const statement of file.statements) {
    const current = stages.at(-1);
    if (statement.name === 'FROM') stages.push(stageOf(statement, stages, lookup, file.escapeChar));
    else if (current) current.statements.push(statement);
    else if (statement.name === 'ARG') {
      for (const word of rawWords(statement.rest, file.escapeChar)) {
        const [key, value] = splitArg(word);
        globals.set(key, value === undefined ? undefined : expandWord(value, lookup, file.escapeChar));
      }
    } else {
      throw new DockerfileError(
        `no build stage in current context: ${statement.name} stands before the first FROM`,
        statement.span,
      );
    }
  }
  if (stages.length === 0) throw new DockerfileError('no build stage: a Dockerfile needs a FROM', undefined);
  return { stages, globals };
}

const PLATFORM = /^(TARGET|BUILD)(PLATFORM|OS|ARCH|VARIANT)$/;

/** `NAME` or `NAME=default`. */
export function splitArg(word: string): [name: string, value: string | undefined] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function stageOf(
  statement: Statement,
  before: readonly Stage[],
  lookup: Lookup,
  escapeChar: string,
): Stage & { statements: Statement[] } {
  const { span } = statement;
  const words = rawWords(statement.rest, escapeChar);
  const [image = '', as, name = ''] = words;
  if (image === '' || (words.length !== 1 && (words.length !== 3 || as?.toLowerCase() !== 'as'))) {
    throw new DockerfileError('FROM requires either one or three arguments', span);
  }
  if (name !== '' && !/^[a-z][a-z0-9-_.]*$/i.test(name)) {
    throw new DockerfileError(
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
      span,
    );
  }
  let platform = '';
  for (const flag of statement.flags) {
    if (flag.name !== 'platform') {
      throw new DockerfileError(unknownWord('flag', flag.name, ['platform']), span);
    }
    platform = expandWord(flag.value, lookup, escapeChar);
  }
  const base = expandWord(image, lookup, escapeChar);
  if (base === '') throw new DockerfileError(`base name (${image}) should not be blank`, span);
  const lower = name.toLowerCase();
  if (lower !== '' && before.some((stage) => stage.name === lower)) {
    throw new DockerfileError(`duplicate name ${name} of a build stage`, span);
  }
  return { index: before.length, name: lower, base, platform, from: statement, statements: [] };
}

/** The stage that a name or number means, of those before `limit`. */
export function findStage(stages: readonly Stage[], ref: string, limit = stages.length): Stage | undefined {
  const found = stages
    .slice(0, limit)
    .findLast((stage) => stage.name !== '' && stage.name === ref.toLowerCase());
  if (found) return found;
  return /^\d+$/.test(ref) && Number(ref) < limit ? stages[Number(ref)] : undefined;
}

/** The stages that the target needs, in order; the target is last. Throws when there is no such stage. */
export function neededStages(stages: readonly Stage[], target: string): Stage[] {
  const goal = target === '' ? stages.at(-1) : findStage(stages, target);
  if (!goal)
    throw new DockerfileError(
      `failed to reach build target ${target} in Dockerfile: no stage has that name`,
      undefined,
    );
  const needed = new Set<Stage>();
  const visit = (stage: Stage): void => {
    if (needed.has(stage)) return;
    needed.add(stage);
    const base = findStage(stages, stage.base, stage.index);
    if (base && !/^\d+$/.test(stage.base)) visit(base);
    for (const statement of stage.statements) {
      for (const ref of referencesOf(statement)) {
        const other = findStage(stages, ref, stage.index);
        if (other) visit(other);
      }
    }
  };
  visit(goal);
  return [...needed].sort((a, b) => a.index - b.index);
}

/** What COPY --from and RUN --mount=from= name. */
function referencesOf(statement: Statement): string[] {
  return statement.flags.flatMap(({ name, value }) => {
    if (name === 'from') return [value];
    if (name !== 'mount') return [];
    const from = /(?:^|,)from=([^,]*)/.exec(value)?.[1];
    return from === undefined ? [] : [from];
  });
}
