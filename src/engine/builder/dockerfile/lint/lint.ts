import { DockerfileError } from '../dockerfile-error.ts';
import type { ParsedDockerfile, Span } from '../parse.ts';
import {
  CONSISTENT_INSTRUCTION_CASING,
  DUPLICATE_STAGE_NAME,
  FROM_AS_CASING,
  INVALID_DEFINITION_DESCRIPTION,
  RESERVED_STAGE_NAME,
  STAGE_NAME_CASING,
} from './casing.ts';
import {
  EXPOSE_INVALID_FORMAT,
  EXPOSE_PROTO_CASING,
  JSON_ARGS_RECOMMENDED,
  LEGACY_KEY_VALUE_FORMAT,
  MAINTAINER_DEPRECATED,
  MULTIPLE_INSTRUCTIONS_DISALLOWED,
  NO_EMPTY_CONTINUATION,
} from './form.ts';
import { COPY_IGNORED_FILE, WORKDIR_RELATIVE_PATH } from './paths.ts';
import { type LintRule, type LintSubject, statementsByStage } from './subject.ts';
import {
  FROM_PLATFORM_FLAG_CONST_DISALLOWED,
  INVALID_DEFAULT_ARG_IN_FROM,
  REDUNDANT_TARGET_PLATFORM,
  SECRETS_USED_IN_ARG_OR_ENV,
  UNDEFINED_ARG_IN_FROM,
  UNDEFINED_VAR,
} from './variables.ts';

/** The rules of Docker's build checks, in their documentation's order. */
export const LINT_RULES: readonly LintRule[] = [
  STAGE_NAME_CASING,
  FROM_AS_CASING,
  NO_EMPTY_CONTINUATION,
  CONSISTENT_INSTRUCTION_CASING,
  DUPLICATE_STAGE_NAME,
  RESERVED_STAGE_NAME,
  JSON_ARGS_RECOMMENDED,
  MAINTAINER_DEPRECATED,
  UNDEFINED_ARG_IN_FROM,
  WORKDIR_RELATIVE_PATH,
  UNDEFINED_VAR,
  MULTIPLE_INSTRUCTIONS_DISALLOWED,
  LEGACY_KEY_VALUE_FORMAT,
  REDUNDANT_TARGET_PLATFORM,
  SECRETS_USED_IN_ARG_OR_ENV,
  INVALID_DEFAULT_ARG_IN_FROM,
  FROM_PLATFORM_FLAG_CONST_DISALLOWED,
  COPY_IGNORED_FILE,
  INVALID_DEFINITION_DESCRIPTION,
  EXPOSE_PROTO_CASING,
  EXPOSE_INVALID_FORMAT,
];

/** What a rule has to say of a Dockerfile. */
export interface LintWarning {
  readonly rule: string;
  readonly description: string;
  readonly url: string;
  readonly text: string;
  readonly span: Span;
}

/** `# check=…`, or the build argument BUILDKIT_DOCKERFILE_CHECK, which wins. */
export interface CheckOptions {
  /** Rules that are left out; `all`: every one. */
  readonly skip: ReadonlySet<string> | 'all';
  /** Experimental rules that are wanted. */
  readonly experimental: ReadonlySet<string> | 'all';
  /** Warnings make the build fail. */
  readonly error: boolean;
}

/** Reads `skip=A,B;error=true;experimental=all`. Throws `DockerfileError`. */
export function checkOptions(text: string, span: Span | undefined): CheckOptions {
  const found: { -readonly [Key in keyof CheckOptions]: CheckOptions[Key] } = {
    skip: new Set(),
    experimental: new Set(),
    error: false,
  };
  for (const part of text.split(';').map((option) => option.trim())) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const key = part.slice(0, Math.max(equals, 0)).trim();
    const value = part.slice(equals + 1).trim();
    if (key === 'skip' || key === 'experimental') {
      found[key] = value === 'all' ? 'all' : new Set(value.split(',').map((rule) => rule.trim()));
    } else if (key === 'error' && /^(?:true|false|1|0|t|f)$/i.test(value)) found.error = /^[1t]/i.test(value);
    else {
      throw new DockerfileError(
        `invalid check option ${JSON.stringify(part)}: write skip=RULE,…, error=true or experimental=RULE,…`,
        span,
      );
    }
  }
  return found;
}

/** The options that a file and the build's arguments give. */
export function checkOptionsOf(file: ParsedDockerfile, argument: string | null | undefined): CheckOptions {
  const text = argument ?? file.directives.check ?? '';
  const line = file.lines.findIndex((each) => /^#\s*check\s*=/i.test(each)) + 1;
  const span = argument === undefined && line > 0 ? { first: line, last: line } : undefined;
  return checkOptions(text, span);
}

/** What the rules find, by lines. */
export function lint(subject: Omit<LintSubject, 'stages'>, options: CheckOptions): LintWarning[] {
  const whole: LintSubject = { ...subject, stages: statementsByStage(subject.file) };
  const warnings = LINT_RULES.filter((rule) => isWanted(rule, options)).flatMap((rule) =>
    [...rule.check(whole)].map(
      (finding): LintWarning => ({
        rule: rule.name,
        description: rule.description,
        url: urlOf(rule.name),
        ...finding,
      }),
    ),
  );
  return warnings.sort((a, b) => a.span.first - b.span.first);
}

function isWanted({ name, experimental }: LintRule, options: CheckOptions): boolean {
  if (experimental) return options.experimental === 'all' || options.experimental.has(name);
  return options.skip !== 'all' && !options.skip.has(name);
}

/** Docker's page about a rule: `JSONArgsRecommended` is json-args-recommended there. */
function urlOf(rule: string): string {
  const words = rule.replace(/([A-Z]+)([A-Z][a-z])|([a-z])([A-Z])/g, '$1$3-$2$4').toLowerCase();
  return `https://docs.docker.com/go/dockerfile/rule/${words}/`;
}

/** With `error=true`, what a build with warnings ends with. */
export function lintFailure(
  warnings: readonly LintWarning[],
  { error }: CheckOptions,
): DockerfileError | undefined {
  const [first] = warnings;
  if (!error || first === undefined) return undefined;
  const rules = [...new Set(warnings.map(({ rule }) => rule))].join(', ');
  return new DockerfileError(`lint violation found for rules: ${rules}`, first.span, '');
}
