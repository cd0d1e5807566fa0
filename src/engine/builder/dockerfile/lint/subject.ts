import type { PathPatterns } from '../../../../base/path-patterns.ts';
import type { Lookup } from '../expand.ts';
import type { CompiledDockerfile } from '../instructions.ts';
import type { ParsedDockerfile, Span, Statement } from '../parse.ts';

/** What the rules look at. */
export interface LintSubject {
  readonly file: ParsedDockerfile;
  readonly compiled: CompiledDockerfile;
  /** The statements of each stage, its FROM first; with the stages of `compiled`, in the same order. */
  readonly stages: ReadonlyArray<readonly [from: Statement, ...rest: Statement[]]>;
  /** `--build-arg`. */
  readonly given: Lookup;
  /** TARGETARCH and the like. */
  readonly platform: Lookup;
  /** What the context's ignore file leaves out; undefined: there is none. */
  readonly ignored: PathPatterns | undefined;
  /** Environment of an image (`KEY=value`); undefined: it is not known. */
  readonly environmentOf: (reference: string) => readonly string[] | undefined;
}

/** What a rule has found, and where. */
export interface Finding {
  readonly text: string;
  readonly span: Span;
}

export interface LintRule {
  readonly name: string;
  readonly description: string;
  /** Only when it is asked for. */
  readonly experimental?: boolean;
  readonly check: (subject: LintSubject) => Iterable<Finding>;
}

/** Statements by stage; those before the first FROM are in none. */
export function statementsByStage(file: ParsedDockerfile): LintSubject['stages'] {
  const stages: Array<[Statement, ...Statement[]]> = [];
  for (const statement of file.statements) {
    if (statement.name === 'FROM') stages.push([statement]);
    else stages.at(-1)?.push(statement);
  }
  return stages;
}
