import type { Span } from './dockerfile/parse.ts';

/** Looks Dockerfiles over without building them: Docker's build checks. */
export interface DockerfileChecks {
  check(request: CheckRequest): CheckResult;
  /** The same for what a context holds: a tar, plain or compressed. Throws `invalid` without the Dockerfile in it. */
  checkContext(
    context: ReadableStream<Uint8Array>,
    dockerfile: string,
    request: Omit<CheckRequest, 'text' | 'ignore'>,
  ): Promise<CheckResult & { readonly text: string }>;
}

export interface CheckRequest {
  /** The Dockerfile. */
  readonly text: string;
  /** The ignore file; undefined: there is none. */
  readonly ignore: string | undefined;
  /** `--build-arg`; BUILDKIT_DOCKERFILE_CHECK takes the place of the directive `check`. */
  readonly args: Readonly<Record<string, string | null>>;
  /** Name or number of a stage; empty: the last one. */
  readonly target: string;
  /** `os/arch[/variant]`; empty: this machine's. */
  readonly platform: string;
}

export interface CheckResult {
  /** By lines. */
  readonly warnings: readonly CheckWarning[];
  /** Why it cannot be built as it stands, or that warnings are errors. */
  readonly error: { readonly message: string; readonly span: Span | undefined } | undefined;
}

export interface CheckWarning {
  readonly rule: string;
  /** What the rule is about. */
  readonly description: string;
  readonly url: string;
  /** What is wrong here. */
  readonly text: string;
  readonly span: Span;
}
