import { readFile } from 'node:fs/promises';
import { readIgnoreFile } from '../../base/ignore-file.ts';
import { PathPatterns } from '../../base/path-patterns.ts';
import type { BuildWarning } from './builder.ts';
import { insideContext } from './context/inside-context.ts';
import type { Lookup } from './dockerfile/expand.ts';
import type { CompiledDockerfile } from './dockerfile/instructions.ts';
import { checkOptionsOf, lint, lintFailure } from './dockerfile/lint/lint.ts';
import type { ParsedDockerfile } from './dockerfile/parse.ts';

/** What the checks of a Dockerfile are told when it is built. */
export interface WarningSources {
  readonly args: Readonly<Record<string, string | null>>;
  readonly platform: Lookup;
  /** Environment of an image that is here. */
  readonly environmentOf: (reference: string) => readonly string[] | undefined;
  /** Directory of the build's context. */
  readonly context: string;
}

/** What a build warns of. Throws `DockerfileError` when the Dockerfile says that warnings are errors. */
export async function buildWarnings(
  file: ParsedDockerfile,
  compiled: CompiledDockerfile,
  { args, platform, environmentOf, context }: WarningSources,
): Promise<BuildWarning[]> {
  const options = checkOptionsOf(file, args.BUILDKIT_DOCKERFILE_CHECK);
  const given: Lookup = (name) => args[name] ?? undefined;
  const ignored = await ignoreRules(context);
  const found = lint({ file, compiled, given, platform, ignored, environmentOf }, options);
  const failure = lintFailure(found, options);
  if (failure) throw failure;
  return [
    ...found.map(
      ({ rule, description, url, text, span }): BuildWarning => ({
        kind: 'warning',
        rule,
        detail: description,
        url,
        text,
        span,
      }),
    ),
    ...unusedArguments(compiled, args),
  ];
}

/** Arguments that count although no ARG names them. */
const ALWAYS = /^(?:(?:HTTP|HTTPS|FTP|NO|ALL)_PROXY|SOURCE_DATE_EPOCH|BUILDKIT_.*)$/i;

/** What was given and nothing declares, in the words of Docker's classic builder. */
function unusedArguments(
  { globals, stages }: CompiledDockerfile,
  args: WarningSources['args'],
): BuildWarning[] {
  const declared = new Set(
    [...globals, ...stages.flatMap(({ instructions }) => instructions)].flatMap((step) =>
      step.kind === 'arg' ? step.args.map(({ name }) => name) : [],
    ),
  );
  const unused = Object.keys(args).filter((name) => !declared.has(name) && !ALWAYS.test(name));
  if (unused.length === 0) return [];
  return [{ kind: 'warning', text: `One or more build-args [${unused.sort().join(' ')}] were not consumed` }];
}

async function ignoreRules(context: string): Promise<PathPatterns | undefined> {
  try {
    const path = await insideContext(context, '.dockerignore');
    return PathPatterns.parse(readIgnoreFile(await readFile(path, 'utf8')));
  } catch {
    // None, or one that the client could not read either.
    return undefined;
  }
}
