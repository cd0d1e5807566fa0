import { posix } from 'node:path';
import type { ImageConfigFile, ImageHistory, ImageRunConfig } from '../../oci/image-config.ts';
import type { PlannedStep } from './builder.ts';
import { copyRequestOf } from './copy-request.ts';
import { compileTrigger } from './dockerfile/compile.ts';
import { DockerfileError } from './dockerfile/dockerfile-error.ts';
import { expandWord } from './dockerfile/expand.ts';
import { commandWords, configAfter, historyText, withPath } from './dockerfile/image-config.ts';
import type {
  AddInstruction,
  ArgInstruction,
  CopyInstruction,
  Instruction,
  RunInstruction,
} from './dockerfile/instructions.ts';
import { resolve } from './dockerfile/resolve.ts';
import { parseRunMount } from './dockerfile/run-mount.ts';
import type { ResolvedStage } from './dockerfile/stage-graph.ts';
import type { Operation, Vertex } from './graph/graph.ts';
import type { CacheMounts } from './operations/cache-mounts.ts';
import { copyOperation } from './operations/copy.ts';
import type { Environment } from './operations/environment.ts';
import { makeDirectoryOperation } from './operations/make-directory.ts';
import { runOperation } from './operations/run.ts';
import type { PlannedMount } from './operations/run-mounts.ts';
import type { Scope } from './scope.ts';

/** A stage whose image is known but for what its vertices make. */
export interface CompiledStage {
  /** Gives the stage's root. */
  readonly vertex: Vertex;
  readonly config: ImageRunConfig;
  readonly author: string;
  /** What it begins with, its layers and history included. */
  readonly base: ImageConfigFile;
  readonly imageId: string;
  /** Of this stage and those that it stands on, after the history of `base`. */
  readonly history: readonly HistoryStep[];
}

/** One line of the image's history; with a vertex it may have a layer. */
export interface HistoryStep {
  readonly createdBy: string;
  readonly vertex: Vertex | undefined;
}

/** What compiling a stage takes. */
export interface StageCompilerParts {
  readonly escapeChar: '\\' | '`';
  readonly environment: Environment;
  readonly caches: CacheMounts;
  /** Its steps are done anew. */
  readonly fresh: boolean;
  /** There is more than one stage: names have the stage's. */
  readonly named: boolean;
  /** What a name in --from means: a root, or the context of that name. */
  readonly source: (ref: string, lines: Vertex['lines']) => Vertex | { readonly context: string };
  readonly vertexId: (...parts: readonly unknown[]) => string;
}

const HISTORY_COMMENT = 'buildkit.dockerfile.v0';
const OF_VERTICES = new Set<Instruction['kind']>(['run', 'copy', 'add', 'workdir']);

/** Whether an instruction is more than a change of the configuration. */
export function isVertex({ kind }: Instruction): boolean {
  return OF_VERTICES.has(kind);
}

/** Makes the vertices of one stage, from its base on. */
export class StageCompiler {
  readonly #parts: StageCompilerParts;
  readonly #stage: ResolvedStage;
  readonly #scope: Scope;
  readonly #history: HistoryStep[];
  readonly #base: CompiledStage;
  #vertex: Vertex;
  #config: ImageRunConfig;
  #author: string;
  #ownCommand = false;
  #number = 1;
  #total = 1;

  constructor(parts: StageCompilerParts, stage: ResolvedStage, scope: Scope, base: CompiledStage) {
    this.#parts = parts;
    this.#stage = stage;
    this.#scope = scope;
    this.#base = base;
    this.#vertex = base.vertex;
    this.#config = withPath(base.config);
    this.#author = base.author;
    this.#history = [...base.history];
    scope.setEnvironment(this.#config.Env ?? []);
  }

  /** `planned` hears of the steps that the base image's ONBUILD adds. */
  compile(planned: (triggers: readonly PlannedStep[]) => void): CompiledStage {
    const { from, instructions } = this.#stage;
    const triggers = (this.#config.OnBuild ?? []).flatMap((trigger) => compileTrigger(trigger, from));
    if (this.#config.OnBuild) this.#config = { ...this.#config, OnBuild: null };
    const all = [...triggers, ...instructions];
    this.#total = 1 + all.filter(isVertex).length;
    const steps = all.map((instruction, index) => this.#step(instruction, index - triggers.length));
    planned(steps.slice(0, triggers.length));
    const { base, imageId } = this.#base;
    return {
      vertex: this.#vertex,
      config: this.#config,
      author: this.#author,
      base,
      imageId,
      history: this.#history,
    };
  }

  #step(instruction: Instruction, position: number): PlannedStep {
    const { escapeChar } = this.#parts;
    const { text } = instruction;
    const before = this.#vertex;
    const step = resolve(instruction, this.#scope.lookup, escapeChar);
    const createdBy = historyText(step, this.#config);
    if (step.kind === 'arg') this.#declare(step);
    else if (step.kind === 'maintainer') this.#author = step.name;
    else if (step.kind === 'run') this.#add(step, position, ...this.#run(step));
    else if (step.kind === 'copy' || step.kind === 'add') this.#add(step, position, ...this.#copy(step));
    else {
      this.#config = configAfter(this.#config, step, this.#ownCommand);
      if (step.kind === 'cmd') this.#ownCommand = true;
      if (step.kind === 'workdir') {
        const { WorkingDir = '/', User = '' } = this.#config;
        const operation = makeDirectoryOperation(WorkingDir, User, this.#parts.environment);
        this.#add(step, position, operation, []);
      }
    }
    this.#scope.setEnvironment(this.#config.Env ?? []);
    const vertex = before === this.#vertex ? undefined : this.#vertex;
    // What is meant for other builds is no part of this one's history, as BuildKit has it.
    if (step.kind !== 'onbuild') this.#history.push({ createdBy, vertex });
    return { text, vertex: vertex?.id, trigger: position < 0 };
  }

  #add(step: Instruction, position: number, operation: Operation, others: readonly Vertex[]): void {
    const { vertexId, fresh, named } = this.#parts;
    const { index, name } = this.#stage;
    const stage = named ? `${name || `stage-${index}`} ` : '';
    this.#vertex = {
      id: vertexId(index, position),
      name: `[${stage}${++this.#number}/${this.#total}] ${step.text}`,
      inputs: [this.#vertex, ...others],
      lines: step.span,
      fresh,
      work: operation,
    };
  }

  #declare({ args }: ArgInstruction): void {
    for (const { name, fallback } of args) {
      const value =
        fallback === undefined ? undefined : expandWord(fallback, this.#scope.lookup, this.#parts.escapeChar);
      this.#scope.declare(name, value);
    }
  }

  #copy(step: CopyInstruction | AddInstruction): [Operation, Vertex[]] {
    const { environment, source } = this.#parts;
    const request = copyRequestOf(step, this.#config.WorkingDir ?? '/');
    const name = step.kind === 'copy' ? 'COPY' : 'ADD';
    const from = request.from === '' ? { context: '' } : source(request.from, step.span);
    if ('context' in from) return [copyOperation({ name, request, context: from.context }, environment), []];
    return [copyOperation({ name, request, context: undefined }, environment), [from]];
  }

  #run(step: RunInstruction): [Operation, Vertex[]] {
    const { environment, caches } = this.#parts;
    const { command, span } = step;
    if (step.security === 'insecure') {
      throw new DockerfileError('security.insecure is not allowed: builds run without privileges', span, '');
    }
    const others: Vertex[] = [];
    const mounts = step.mounts.map((text) => this.#mount(text, step, others));
    const script =
      command.form === 'script'
        ? { path: `/dev/pipes/${command.name}`, content: command.content }
        : undefined;
    const operation = runOperation(
      {
        command: script ? [script.path] : commandWords(command, this.#config),
        script,
        config: this.#config,
        imageId: this.#base.imageId,
        platform: this.#base.base,
        env: this.#scope.runEnvironment(),
        keyEnv: this.#scope.keyEnvironment(),
        network: step.network,
        devices: step.devices,
        mounts,
      },
      environment,
      caches,
    );
    return [operation, others];
  }

  #mount(text: string, { span }: RunInstruction, others: Vertex[]): PlannedMount {
    const mount = parseRunMount(text, span);
    const { target } = mount;
    const absolute = target === '' ? '' : posix.resolve('/', this.#config.WorkingDir || '/', target);
    const planned = { ...mount, target: absolute };
    if (mount.type !== 'bind' && mount.type !== 'cache') return { mount: planned, from: undefined };
    if (mount.from === '') {
      return { mount: planned, from: mount.type === 'bind' ? { context: '' } : undefined };
    }
    const from = this.#parts.source(mount.from, span);
    if ('context' in from) return { mount: planned, from };
    others.push(from);
    return { mount: planned, from: { input: others.length } };
  }
}

/** A stage's history when its vertices have been solved. */
export function historyOf(
  { history, author }: Pick<CompiledStage, 'history' | 'author'>,
  made: (vertex: Vertex) => { readonly layer: string | undefined; readonly created: string },
  begun: string | undefined,
): ImageHistory[] {
  let last = begun;
  return history.map(({ createdBy, vertex }): ImageHistory => {
    const result = vertex && made(vertex);
    last = result?.created ?? last;
    return {
      ...(last !== undefined && { created: last }),
      created_by: createdBy,
      ...(author !== '' && { author }),
      comment: HISTORY_COMMENT,
      ...(result?.layer === undefined && { empty_layer: true }),
    };
  });
}
