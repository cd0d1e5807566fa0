import { suggestions } from '../../../../base/edit-distance.ts';
import { parsePlatform } from '../../../../oci/platform.ts';
import { tryParseReference } from '../../../../oci/reference.ts';
import { expandWord, type Lookup } from '../expand.ts';
import type { FromInstruction, StageSource } from '../instructions.ts';
import type { Finding, LintRule, LintSubject } from './subject.ts';

/** A text expanded, with the names that it used. Undefined for a text that cannot be: the build tells why. */
function traced(
  text: string,
  lookup: Lookup,
  escapeChar: string,
): { result: string; found: Set<string>; missing: Set<string> } | undefined {
  const found = new Set<string>();
  const missing = new Set<string>();
  try {
    const result = expandWord(
      text,
      (name, optional) => {
        const value = lookup(name);
        if (value !== undefined) found.add(name);
        else if (!optional) missing.add(name);
        return value;
      },
      escapeChar,
    );
    return { result, found, missing };
  } catch {
    return undefined;
  }
}

/** The arguments before the first FROM. `declared`: all their names, also of those without a value. */
function globalsOf(subject: LintSubject, given: Lookup): { lookup: Lookup; declared: Set<string> } {
  const { compiled, platform } = subject;
  const values = new Map<string, string>();
  const declared = new Set<string>();
  const lookup: Lookup = (name) => values.get(name) ?? platform(name);
  for (const { name, fallback } of compiled.globals.flatMap(({ args }) => args)) {
    declared.add(name);
    const own =
      given(name) ?? (fallback && traced(fallback, lookup, compiled.escapeChar)?.result) ?? fallback;
    if (own !== undefined) values.set(name, own);
  }
  return { lookup, declared };
}

export const UNDEFINED_ARG_IN_FROM: LintRule = {
  name: 'UndefinedArgInFrom',
  description: 'FROM command must use declared ARGs',
  *check(subject) {
    const { lookup, declared } = globalsOf(subject, subject.given);
    for (const { from } of subject.compiled.stages) {
      for (const text of [from.image, from.platform]) {
        for (const name of traced(text, lookup, subject.compiled.escapeChar)?.missing ?? []) {
          if (!declared.has(name)) yield undefinedArgument(name, declared, from);
        }
      }
    }
  },
};

function undefinedArgument(name: string, declared: Iterable<string>, { span }: FromInstruction): Finding {
  const [nearest] = suggestions(name, declared);
  const hint = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
  return { text: `FROM argument '${name}' is not declared${hint}`, span };
}

export const INVALID_DEFAULT_ARG_IN_FROM: LintRule = {
  name: 'InvalidDefaultArgInFrom',
  description: 'Default value for global ARG results in an empty or invalid base image name',
  *check(subject) {
    const { lookup } = globalsOf(subject, () => undefined);
    for (const { from } of subject.compiled.stages) {
      if (!from.image.includes('$')) continue;
      const base = traced(from.image, lookup, subject.compiled.escapeChar)?.result;
      if (base === undefined || tryParseReference(base)) continue;
      yield {
        text: `Default value for ARG ${from.image} results in empty or invalid base image name`,
        span: from.span,
      };
    }
  },
};

export const REDUNDANT_TARGET_PLATFORM: LintRule = {
  name: 'RedundantTargetPlatform',
  description:
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  *check({ compiled }) {
    for (const { from } of compiled.stages) {
      if (!/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(from.platform)) continue;
      yield {
        text: `Setting platform to predefined ${from.platform} in FROM is redundant as this is the default behavior`,
        span: from.span,
      };
    }
  },
};

export const FROM_PLATFORM_FLAG_CONST_DISALLOWED: LintRule = {
  name: 'FromPlatformFlagConstDisallowed',
  description: 'FROM --platform flag should not use a constant value',
  *check({ compiled }) {
    for (const { from, name } of compiled.stages) {
      const { platform, span } = from;
      if (platform === '' || platform.includes('$') || namesPlatform(name, platform)) continue;
      yield { text: `FROM --platform flag should not use constant value ${JSON.stringify(platform)}`, span };
    }
  },
};

/** A stage that is called for its platform is meant to have it; one that cannot be read fails by itself. */
function namesPlatform(stage: string, text: string): boolean {
  try {
    const { os, architecture } = parsePlatform(text);
    return stage.includes(os) || stage.includes(architecture);
  } catch {
    return true;
  }
}

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;

export const SECRETS_USED_IN_ARG_OR_ENV: LintRule = {
  name: 'SecretsUsedInArgOrEnv',
  description: 'Sensitive data should not be used in the ARG or ENV commands',
  *check({ compiled }) {
    const steps = [...compiled.globals, ...compiled.stages.flatMap(({ instructions }) => instructions)];
    for (const step of steps) {
      const names =
        step.kind === 'arg'
          ? step.args.map(({ name }) => name)
          : step.kind === 'env'
            ? step.pairs.map(({ key }) => key)
            : [];
      for (const name of names) {
        if (!SECRET.test(name) || NO_SECRET.test(name)) continue;
        yield {
          text: `Do not use ARG or ENV instructions for sensitive data (${step.kind.toUpperCase()} ${JSON.stringify(name)})`,
          span: step.span,
        };
      }
    }
  },
};

/** Arguments that need no declaration. */
const PROXY = /^(?:HTTP|HTTPS|FTP|NO|ALL)_PROXY$/i;

export const UNDEFINED_VAR: LintRule = {
  name: 'UndefinedVar',
  description: 'Variables should be defined before their use',
  *check(subject) {
    const { lookup: globals } = globalsOf(subject, subject.given);
    const known = new Map<string, Names>();
    for (const stage of subject.compiled.stages) {
      const names = namesBefore(stage, globals, known, subject);
      yield* undefinedIn(stage, names, subject);
      if (stage.name !== '') known.set(stage.name, names);
    }
  },
};

/** What is set at a place of a stage. */
interface Names {
  readonly set: Set<string>;
  /** Declared without a value. */
  readonly declared: Set<string>;
  /** False: the base image may set more. */
  readonly complete: boolean;
}

function namesBefore(
  { from }: StageSource,
  globals: Lookup,
  known: ReadonlyMap<string, Names>,
  { compiled, environmentOf }: LintSubject,
): Names {
  const base = traced(from.image, globals, compiled.escapeChar)?.result ?? '';
  const earlier = known.get(base.toLowerCase());
  // Arguments end with their stage; what ENV set stays.
  if (earlier) return { ...earlier, set: new Set(earlier.set), declared: new Set() };
  const environment = base === 'scratch' ? [] : environmentOf(base);
  const set = new Set(['PATH', ...(environment ?? []).map((entry) => entry.split('=', 1)[0] ?? '')]);
  return { set, declared: new Set(), complete: environment !== undefined };
}

function* undefinedIn(stage: StageSource, names: Names, subject: LintSubject): Generator<Finding> {
  const lookup: Lookup = (name) => (names.set.has(name) || names.declared.has(name) ? 'x' : undefined);
  for (const step of stage.instructions) {
    const missing = new Set<string>();
    for (const text of textsOf(step)) {
      for (const name of traced(text, lookup, subject.compiled.escapeChar)?.missing ?? []) missing.add(name);
    }
    for (const name of missing) {
      const [nearest] = suggestions(name, names.set);
      if (PROXY.test(name) || (!names.complete && nearest === undefined)) continue;
      const hint = nearest === undefined ? '' : ` (did you mean $${nearest}?)`;
      yield { text: `Usage of undefined variable '$${name}'${hint}`, span: step.span };
    }
    if (step.kind === 'env') for (const { key } of step.pairs) names.set.add(key);
    if (step.kind === 'arg') for (const { name } of step.args) names.declared.add(name);
  }
}

/** The texts of an instruction in which variables are replaced. */
function textsOf(step: StageSource['instructions'][number]): readonly string[] {
  switch (step.kind) {
    case 'add':
    case 'copy':
      return [...step.sources, step.destination, step.chown, step.chmod, ...step.exclude];
    case 'arg':
      return step.args.flatMap(({ fallback }) => (fallback === undefined ? [] : [fallback]));
    case 'env':
    case 'label':
      return step.pairs.flatMap(({ key, value }) => [key, value]);
    case 'expose':
      return step.ports;
    case 'run':
      return step.mounts;
    case 'stopsignal':
      return [step.signal];
    case 'user':
      return [step.user];
    case 'volume':
      return step.paths;
    case 'workdir':
      return [step.path];
    default:
      return [];
  }
}
