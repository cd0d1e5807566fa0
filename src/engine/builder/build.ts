import { toText } from '../../archive/byte-string.ts';
import { messageOf, TareError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { ImageConfigFile, ImageRunConfig } from '../../oci/image-config.ts';
import type { ImageService, ImageWork } from '../images/images.ts';
import { BaseImages, checkPlatform } from './base-images.ts';
import { buildWarnings } from './build-warnings.ts';
import type { BuildEvent, BuildRequest, BuildResult, BuildWarning, PlannedStep } from './builder.ts';
import { compile } from './dockerfile/compile.ts';
import { DockerfileError, withExcerpt } from './dockerfile/dockerfile-error.ts';
import type { CompiledDockerfile } from './dockerfile/instructions.ts';
import { type ParsedDockerfile, parseDockerfile } from './dockerfile/parse.ts';
import {
  type ResolvedStage,
  resolveStages,
  stageHint,
  stageNamed,
  stagesFor,
} from './dockerfile/stage-graph.ts';
import { keyOf, type Vertex } from './graph/graph.ts';
import { type Solved, Solver } from './graph/solver.ts';
import type { CacheMounts } from './operations/cache-mounts.ts';
import type { Environment } from './operations/environment.ts';
import { platformArguments, Scope } from './scope.ts';
import { type CompiledStage, historyOf, isVertex, StageCompiler } from './stage-compiler.ts';
import type { StepCache } from './step-cache.ts';

/** What one build takes. */
export interface BuildParts {
  readonly images: Pick<ImageService, 'find' | 'pull' | 'tag'>;
  readonly work: ImageWork;
  readonly cache: StepCache;
  readonly caches: CacheMounts;
  readonly environment: Environment;
  readonly request: BuildRequest;
  readonly report: (event: BuildEvent) => void;
}

/** One build: compiles the Dockerfile, solves the graph, makes the image. */
export class Build {
  readonly #parts: BuildParts;
  readonly #id = newId();
  readonly #solver: Solver;
  readonly #bases: BaseImages;
  readonly #warnings: BuildWarning[] = [];
  readonly #compiled = new Map<ResolvedStage, CompiledStage>();
  readonly #plans = new Map<ResolvedStage, PlannedStep[]>();

  constructor(parts: BuildParts) {
    this.#parts = parts;
    const { images, work, cache, request, report } = parts;
    this.#bases = new BaseImages(images, work, request, this.#vertexId);
    this.#solver = new Solver({
      cache,
      report,
      signal: request.signal,
      keepsLayer: (diffId) => work.layers.hasLayer(diffId),
    });
  }

  /** `text`: the Dockerfile; `path`: what messages call it. */
  async run(text: string, path: string): Promise<BuildResult> {
    try {
      const target = await this.#compile(parseDockerfile(text));
      await this.#solver.solve(target.vertex);
      return await this.#make(target);
    } catch (error) {
      throw withExcerpt(error, { path, text }, this.#solver.failedAt?.lines);
    } finally {
      this.#solver.stop(new TareError('cancelled', 'the build is over'));
      await this.#solver.settle();
    }
  }

  readonly #vertexId = (...parts: readonly unknown[]): string => `sha256:${keyOf(this.#id, parts)}`;

  async #compile(file: ParsedDockerfile): Promise<CompiledStage> {
    const { args, target, labels } = this.#parts.request;
    const platform = checkPlatform(this.#parts.request.platform);
    const builtin = platformArguments(platform);
    const compiled = compile(file);
    const { stages, globals } = resolveStages(
      compiled,
      (name) => args[name] ?? undefined,
      (name) => builtin[name],
    );
    this.#bases.hint = (name) => stageHint(stages, name);
    const needed = stagesFor(stages, target);
    const goal = needed.at(-1);
    if (!goal) throw new TareError('internal', 'a build without stages');
    for (const stage of needed) this.#plans.set(stage, this.#planOf(stage));
    this.#tellPlan();
    await this.#takeBases(needed);
    await this.#warn(file, compiled, builtin);
    for (const stage of needed) {
      const scope = new Scope(args, builtin, globals);
      const compiler = new StageCompiler(
        {
          escapeChar: compiled.escapeChar,
          environment: this.#parts.environment,
          caches: this.#parts.caches,
          fresh: this.#isFresh(stage),
          named: needed.length > 1,
          source: (ref, lines) => this.#source(ref, stages, lines),
          vertexId: this.#vertexId,
        },
        stage,
        scope,
        this.#baseOf(stage),
      );
      const done = compiler.compile((triggers) => {
        const [from, ...rest] = this.#plans.get(stage) ?? [];
        if (from && triggers.length > 0) this.#plans.set(stage, [from, ...triggers, ...rest]);
      });
      this.#compiled.set(stage, done);
    }
    this.#tellPlan();
    const done = this.#compiled.get(goal);
    if (!done) throw new TareError('internal', 'the target was not compiled');
    if (Object.keys(labels).length === 0) return done;
    return { ...done, config: { ...done.config, Labels: { ...done.config.Labels, ...labels } } };
  }

  /** Once the images are here: what they set counts. */
  async #warn(
    file: ParsedDockerfile,
    compiled: CompiledDockerfile,
    builtin: Record<string, string>,
  ): Promise<void> {
    const { environment, images, report, request } = this.#parts;
    const { root } = await environment.context('');
    const found = await buildWarnings(file, compiled, {
      args: request.args,
      platform: (name) => builtin[name],
      environmentOf: (reference) => environmentOf(images, reference),
      context: toText(root),
    });
    this.#warnings.push(...found);
    for (const warning of found) report(warning);
  }

  #planOf(stage: ResolvedStage): PlannedStep[] {
    const { base, from, index, instructions } = stage;
    const vertex = base.kind === 'image' ? this.#bases.idOf(base.reference) : undefined;
    return [
      { text: from.text, vertex, trigger: false },
      ...instructions.map((step, position) => ({
        text: step.text,
        vertex: isVertex(step) ? this.#vertexId(index, position) : undefined,
        trigger: false,
      })),
    ];
  }

  #tellPlan(): void {
    const { labels } = this.#parts.request;
    const ordered = [...this.#plans].sort(([a], [b]) => a.index - b.index).flatMap(([, steps]) => steps);
    const words = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const label = { text: `LABEL ${words.join(' ')}`, vertex: undefined, trigger: false };
    this.#parts.report({ kind: 'plan', steps: words.length > 0 ? [...ordered, label] : ordered });
  }

  /** Images must be here before a stage is compiled: their environment counts in it. */
  async #takeBases(needed: readonly ResolvedStage[]): Promise<void> {
    const named = needed.length > 1;
    const vertices = needed.flatMap(({ base, from, index, name, instructions }) => {
      if (base.kind === 'stage') return [];
      const reference = base.kind === 'image' ? base.reference : 'scratch';
      const context = this.#parts.request.contexts[reference];
      if (context && context.kind !== 'image') {
        throw new DockerfileError(
          `the named context ${reference} is no image: COPY --from=${reference} takes its files`,
          from.span,
          '',
        );
      }
      const stage = named ? `${name || `stage-${index}`} ` : '';
      const place = `[${stage}1/${1 + instructions.filter(isVertex).length}]`;
      return [this.#bases.vertex(reference, from.span, place)];
    });
    await this.#solver.solve(...vertices);
  }

  #baseOf({ base, platform }: ResolvedStage): CompiledStage {
    const own = checkPlatform(platform);
    if (base.kind === 'stage') {
      const stage = this.#compiled.get(base.stage);
      if (!stage) throw new TareError('internal', 'a stage before the one that it begins with');
      return stage;
    }
    if (base.kind === 'scratch') {
      const { os, architecture, variant } = own;
      const config: ImageConfigFile = {
        os,
        architecture,
        ...(variant !== undefined && { variant }),
        rootfs: { type: 'layers', diff_ids: [] },
      };
      const vertex = this.#bases.vertex('scratch', undefined, '');
      return {
        vertex,
        config: withPath({ WorkingDir: '/' }),
        author: '',
        base: config,
        imageId: NO_IMAGE,
        history: [],
      };
    }
    const { id, config } = this.#bases.image(base.reference);
    return {
      vertex: this.#bases.vertex(base.reference, undefined, ''),
      config: withPath({ ...config.config }),
      author: '',
      base: config,
      imageId: id,
      history: [],
    };
  }

  #isFresh({ name, index }: ResolvedStage): boolean {
    const { noCache } = this.#parts.request;
    if (typeof noCache === 'boolean') return noCache;
    return noCache.some((one) => one.toLowerCase() === name || one === String(index));
  }

  /** What --from names: a context, a stage, or an image. */
  #source(
    ref: string,
    stages: readonly ResolvedStage[],
    lines: Vertex['lines'],
  ): Vertex | { readonly context: string } {
    const context = this.#parts.request.contexts[ref];
    if (context && context.kind !== 'image') return { context: ref };
    const stage = context ? undefined : stageNamed(stages, ref);
    const compiled = stage && this.#compiled.get(stage);
    return compiled ? compiled.vertex : this.#bases.vertex(ref, lines, '[internal]');
  }

  /** Stores the image and gives it its names. */
  async #make(target: CompiledStage): Promise<BuildResult> {
    const { work, images, request } = this.#parts;
    const solved = new Map<Vertex, Solved>();
    for (const { vertex } of target.history) {
      if (vertex) solved.set(vertex, await this.#solver.resultOf(vertex));
    }
    const { chain } = await this.#solver.resultOf(target.vertex);
    const epoch = request.sourceDateEpoch;
    const timeOf = (at: number): string =>
      new Date(epoch === undefined ? at : epoch * 1000).toISOString().replace('.000Z', 'Z');
    const begun = epoch === undefined ? target.base.created : timeOf(0);
    const own = historyOf(
      target,
      (vertex) => {
        const { layer, createdAt = 0 } = solved.get(vertex) ?? {};
        return { layer, created: timeOf(createdAt) };
      },
      begun,
    );
    const { architecture, os, variant } = target.base;
    const created = own.at(-1)?.created ?? begun ?? timeOf(Date.now());
    const config: ImageConfigFile = {
      architecture,
      os,
      ...(variant !== undefined && { variant }),
      created,
      ...(target.author !== '' && { author: target.author }),
      config: target.config,
      rootfs: { type: 'layers', diff_ids: chain.layers },
      history: [...(target.base.history ?? []), ...own],
    };
    return await this.#export(async () => {
      const image = await work.assemble(config, target.imageId === NO_IMAGE ? '' : target.imageId);
      request.signal.throwIfAborted();
      for (const tag of request.tags) await images.tag(image.id, tag);
      const keys = await this.#solver.keys();
      return { id: image.id, config, layers: chain.layers, keys, warnings: this.#warnings };
    });
  }

  async #export(body: () => Promise<BuildResult>): Promise<BuildResult> {
    const { report } = this.#parts;
    const id = this.#vertexId('export');
    const event = { kind: 'vertex', id, name: 'exporting to image', inputs: [] } as const;
    const started = Date.now();
    report({ ...event, started });
    try {
      const result = await body();
      report({ ...event, started, completed: Date.now(), result: result.id });
      return result;
    } catch (error) {
      report({ ...event, started, completed: Date.now(), error: messageOf(error) });
      throw error;
    }
  }
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** As BuildKit has it: what is built always has a PATH, which `ENV PATH=$PATH:/more` can add to. */
function withPath(config: ImageRunConfig): ImageRunConfig {
  const env = config.Env ?? [];
  return env.some((entry) => entry.startsWith('PATH=')) ? config : { ...config, Env: [...env, DEFAULT_PATH] };
}

/** Undefined for what is not here, and for a name that is none. */
function environmentOf(images: BuildParts['images'], reference: string): readonly string[] | undefined {
  try {
    const image = images.find(reference);
    return image && (image.config.config?.Env ?? []);
  } catch (error) {
    if (error instanceof TareError) return undefined;
    throw error;
  }
}

/** Stands for an image that there is not. */
const NO_IMAGE = `sha256:${'0'.repeat(64)}`;
