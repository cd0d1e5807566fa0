import type { Heredoc, Span } from './parse.ts';

/**
 * What a Dockerfile says, understood: one type for each instruction. `compile` (compile.ts) makes them of statements;
 * variables are still in their texts then, and `resolve` (resolve.ts) gives the same instruction without them, by the
 * variables that hold where it stands. Pure data.
 *
 *     const file = compile(parseDockerfile(text));
 *     for (const instruction of file.stages[0].instructions) {
 *       const step = resolve(instruction, scope.lookup, file.escapeChar);
 *       if (step.kind === 'copy') copy(step.sources, step.destination);
 *     }
 */
export type Instruction =
  | AddInstruction
  | ArgInstruction
  | CmdInstruction
  | CopyInstruction
  | EntrypointInstruction
  | EnvInstruction
  | ExposeInstruction
  | HealthcheckInstruction
  | LabelInstruction
  | MaintainerInstruction
  | OnbuildInstruction
  | RunInstruction
  | ShellInstruction
  | StopsignalInstruction
  | UserInstruction
  | VolumeInstruction
  | WorkdirInstruction;

export interface Common {
  /** Lines of the Dockerfile. */
  readonly span: Span;
  /** As it was written, continued lines joined, without here-documents. */
  readonly text: string;
}

/** `["a", "b"]` is run as it is; a line is given to the stage's shell. */
export type CommandLine =
  | { readonly form: 'exec'; readonly words: readonly string[] }
  | { readonly form: 'shell'; readonly line: string }
  /** A here-document that begins with `#!`: it is a file that is executed, and no shell is needed. */
  | { readonly form: 'script'; readonly name: string; readonly content: string };

export interface Pair {
  readonly key: string;
  readonly value: string;
}

/** What COPY and ADD have in common. */
export interface CopyFields extends Common {
  /** Paths and patterns; of ADD also addresses. */
  readonly sources: readonly string[];
  /** Files that the Dockerfile itself brings. */
  readonly inline: readonly Heredoc[];
  /** As written: relative ones count from the working directory; a slash at the end means a directory. */
  readonly destination: string;
  /** `user[:group]` or empty. */
  readonly chown: string;
  /** For `parseModeChange` (file-mode.ts), or empty. */
  readonly chmod: string;
  readonly link: boolean;
  readonly parents: boolean;
  /** Patterns of what stays out, as in .dockerignore. */
  readonly exclude: readonly string[];
}

export interface AddInstruction extends CopyFields {
  readonly kind: 'add';
  /** `sha256:…`, a git commit, or empty. */
  readonly checksum: string;
  readonly keepGitDir: boolean;
  /** Undefined: local archives are unpacked, fetched ones are not. */
  readonly unpack: boolean | undefined;
}

export interface CopyInstruction extends CopyFields {
  readonly kind: 'copy';
  /** A stage's name or number, an image or a named context; empty: the build's context. Never has variables. */
  readonly from: string;
}

export interface ArgInstruction extends Common {
  readonly kind: 'arg';
  readonly args: ReadonlyArray<{ readonly name: string; readonly fallback: string | undefined }>;
}

export interface CmdInstruction extends Common {
  readonly kind: 'cmd';
  readonly command: CommandLine;
}

export interface EntrypointInstruction extends Common {
  readonly kind: 'entrypoint';
  readonly command: CommandLine;
}

export interface EnvInstruction extends Common {
  readonly kind: 'env';
  readonly pairs: readonly Pair[];
  /** `KEY value with blanks`. */
  readonly legacy: boolean;
}

export interface ExposeInstruction extends Common {
  readonly kind: 'expose';
  readonly ports: readonly string[];
}

export interface HealthcheckInstruction extends Common {
  readonly kind: 'healthcheck';
  /** Undefined: NONE. */
  readonly check:
    | {
        readonly command: CommandLine;
        /** Nanoseconds; 0: not given. */
        readonly interval: number;
        readonly timeout: number;
        readonly startPeriod: number;
        readonly startInterval: number;
        readonly retries: number;
      }
    | undefined;
}

export interface LabelInstruction extends Common {
  readonly kind: 'label';
  readonly pairs: readonly Pair[];
  readonly legacy: boolean;
}

export interface MaintainerInstruction extends Common {
  readonly kind: 'maintainer';
  readonly name: string;
}

export interface OnbuildInstruction extends Common {
  readonly kind: 'onbuild';
  /** A statement with its here-documents. */
  readonly trigger: string;
}

export interface RunInstruction extends Common {
  readonly kind: 'run';
  readonly command: CommandLine;
  /** Values of `--mount`, for `parseRunMount` (run-mount.ts) once variables are replaced. */
  readonly mounts: readonly string[];
  /** Names in `from=` of the mounts. */
  readonly mountSources: readonly string[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly devices: ReadonlyArray<{ readonly name: string; readonly required: boolean }>;
}

export interface ShellInstruction extends Common {
  readonly kind: 'shell';
  readonly words: readonly string[];
}

export interface StopsignalInstruction extends Common {
  readonly kind: 'stopsignal';
  readonly signal: string;
}

export interface UserInstruction extends Common {
  readonly kind: 'user';
  readonly user: string;
}

export interface VolumeInstruction extends Common {
  readonly kind: 'volume';
  readonly paths: readonly string[];
}

export interface WorkdirInstruction extends Common {
  readonly kind: 'workdir';
  readonly path: string;
}

/** A `FROM` with what follows it. */
export interface StageSource {
  readonly index: number;
  /** Lower case; empty: it has none. */
  readonly name: string;
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

export interface FromInstruction extends Common {
  /** An image or an earlier stage's name; variables are those of ARGs before the first FROM. */
  readonly image: string;
  /** `--platform`, with variables, or empty. */
  readonly platform: string;
}

export interface CompiledDockerfile {
  readonly directives: Readonly<Record<string, string>>;
  readonly escapeChar: '\\' | '`';
  /** ARGs before the first FROM, in order. */
  readonly globals: readonly ArgInstruction[];
  readonly stages: readonly StageSource[];
}
