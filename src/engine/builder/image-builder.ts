import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MountedRoot, RootedTree, RootedTrees } from '../../archive/rooted/rooted.ts';
import { isKind, messageOf, TareError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { formatPlatform, hostPlatform, parsePlatform } from '../../oci/platform.ts';
import { parseReference } from '../../oci/reference.ts';
import { resolveUser } from '../../runtime/spec/user.ts';
import type { ContainerArchives } from '../containers/container-archives.ts';
import type { Image, ImageService } from '../images/images.ts';
import type {
  BuildContext,
  BuildEvent,
  Builder,
  BuildRequest,
  BuildResult,
  PlannedStep,
  RemoteContext,
  VertexEvent,
} from './builder.ts';
import { dropIgnored, firstFile, readDockerfile } from './context/context-files.ts';
import type { SourceTree, TargetTree } from './copier.ts';
import { withExcerpt } from './dockerfile/dockerfile-error.ts';
import { parseDockerfile, type Span } from './dockerfile/parse.ts';
import { findStage, neededStages, type Stage, stagesOf } from './dockerfile/stages.ts';
import { platformArguments, Scope } from './scope.ts';
import { remoteContext } from './sources/remote-context.ts';
import { StageBuilder, type StageParts } from './stage-builder.ts';
import type { StepCache } from './step-cache.ts';
import { StepContainers } from './step-containers.ts';

/** What the builder takes. */
export interface ImageBuilderParts {
  readonly images: Pick<ImageService, 'get' | 'find' | 'createImage' | 'pull' | 'tag'>;
  readonly containers: StageParts['containers'];
  readonly archives: Pick<ContainerArchives, 'stat' | 'get' | 'put'>;
  readonly layerOf: (containerId: string) => ReadableStream<Uint8Array>;
  readonly cache: StepCache;
  readonly trees: RootedTrees;
  /** Directory of the builder's own: contexts while they are built, and caches of RUN. */
  readonly root: string;
  readonly log: Logger;
}

/** An image's root as a place to copy from. */
interface Source {
  readonly tree: SourceTree;
  readonly key: string;
  readonly close: () => Promise<void>;
}

const SCRATCH_KEY = 'scratch';

/** Builds images by containers: RUN in one that runs, COPY into one that does not. */
export class ImageBuilder implements Builder {
  readonly #parts: ImageBuilderParts;
  readonly #steps: StepContainers;

  constructor(parts: ImageBuilderParts) {
    this.#steps = new StepContainers(parts.containers, join(parts.root, 'steps'));
    this.#parts = { ...parts, containers: this.#steps };
  }

  sweepContainers(): Promise<void> {
    return this.#steps.sweep(this.#parts.log);
  }

  async sweep(): Promise<void> {
    await rm(join(this.#parts.root, 'contexts'), { recursive: true, force: true });
    for (const name of ['contexts', 'caches', 'mount']) {
      await mkdir(join(this.#parts.root, name), { recursive: true, mode: 0o700 });
    }
  }

  async build(request: BuildRequest, report: (event: BuildEvent) => void): Promise<BuildResult> {
    refuseUnbuilt(request);
    const own = await mkdtemp(join(this.#parts.root, 'contexts', 'c-'));
    try {
      const directory = request.context.kind === 'directory' ? request.context.path : own;
      const text = await this.#readContext(request, request.context, directory);
      return await new Build(this.#parts, request, report, directory).run(text);
    } finally {
      await rm(own, { recursive: true, force: true }).catch((error) => {
        this.#parts.log.warn('removing the context of a build', { error: messageOf(error) });
      });
    }
  }

  /** Brings the context into the directory, unless it is there, and gives the Dockerfile's text. */
  async #readContext(
    { dockerfile }: BuildRequest,
    context: BuildContext,
    directory: string,
  ): Promise<string> {
    const tree = await this.#openContext(directory);
    try {
      await tree.enter('/');
      if (context.kind === 'tar') await tree.unpack(context.stream, { keepKinds: false, owner: undefined });
      const text = 'text' in dockerfile ? dockerfile.text : await readDockerfile(tree, dockerfile.path);
      if (context.kind === 'tar' && 'path' in dockerfile) await dropIgnored(tree, directory, dockerfile.path);
      return text;
    } finally {
      await tree.close();
    }
  }

  remoteContext(address: string, signal: AbortSignal, dockerfile?: string): Promise<RemoteContext> {
    return remoteContext(address, join(this.#parts.root, 'contexts'), signal, dockerfile);
  }

  #openContext(directory: string): Promise<RootedTree> {
    return this.#parts.trees.open(contextRoot(this.#parts.root, directory));
  }
}

function contextRoot(root: string, directory: string): MountedRoot {
  return {
    kind: 'mounted',
    at: join(root, 'mount'),
    mounts: [{ type: 'none', source: directory, options: ['bind'] }],
    binds: [],
  };
}

/** What the contract has and this builder not yet. */
function refuseUnbuilt({ contexts, noCache }: BuildRequest): void {
  if (Object.values(contexts).some(({ kind }) => kind !== 'image') || Array.isArray(noCache)) {
    throw new TareError('not-implemented', 'named contexts and --no-cache-filter are not supported yet');
  }
}

/** One build. */
class Build {
  readonly #parts: ImageBuilderParts;
  readonly #request: BuildRequest;
  readonly #report: (event: BuildEvent) => void;
  readonly #context: string;
  readonly #done = new Map<Stage, Image>();
  #stages: readonly Stage[] = [];
  readonly #id = newId();
  readonly #plan: PlannedStep[] = [];
  #vertex: VertexEvent | undefined;
  #number = 0;
  /** Where the step in work stands. */
  #at: Span | undefined;

  constructor(
    parts: ImageBuilderParts,
    request: BuildRequest,
    report: (event: BuildEvent) => void,
    context: string,
  ) {
    this.#parts = parts;
    this.#request = request;
    this.#report = report;
    this.#context = context;
  }

  /** `text`: the Dockerfile. */
  async run(text: string): Promise<BuildResult> {
    const { dockerfile } = this.#request;
    try {
      return await this.#run(text);
    } catch (error) {
      if (this.#vertex) this.#tell({ completed: Date.now(), error: messageOf(error) });
      const path = 'path' in dockerfile ? dockerfile.path : dockerfile.name;
      throw withExcerpt(error, { path, text }, this.#at);
    }
  }

  async #run(text: string): Promise<BuildResult> {
    const { args, target, labels, tags } = this.#request;
    const platform = this.#platform();
    const builtin = platformArguments(platform);
    const file = parseDockerfile(text);
    const { stages, globals } = stagesOf(file, (name) => args[name] ?? builtin[name]);
    this.#stages = stages;
    const needed = neededStages(stages, target);
    for (const stage of needed) for (const { text } of [stage.from, ...stage.statements]) this.#planned(text);
    if (Object.keys(labels).length > 0) this.#planned('LABEL');
    this.#report({ kind: 'plan', steps: [...this.#plan] });
    let image: Image | undefined;
    for (const stage of needed) {
      this.#step(stage.from.text, stage.from.span);
      const base = await this.#base(stage);
      this.#tell({ completed: Date.now(), result: base.id });
      const scope = new Scope(args, builtin, globalValues(globals, args));
      const builder = new StageBuilder(this.#stageParts(file.escapeChar, base), scope, base);
      image = await builder.run(stage);
      if (stage === needed.at(-1)) image = await builder.label(labels);
      this.#done.set(stage, image);
    }
    if (!image) throw new TareError('internal', 'a build without stages');
    this.#at = undefined;
    for (const tag of tags) await this.#parts.images.tag(image.id, tag);
    return { id: image.id, config: image.config, layers: image.config.rootfs.diff_ids, warnings: [] };
  }

  #planned(text: string): void {
    const vertex = `sha256:${createHash('sha256').update(`${this.#id} ${this.#plan.length}`).digest('hex')}`;
    this.#plan.push({ text, vertex, trigger: false });
  }

  /** Of the vertex in work. */
  #tell(change: Partial<VertexEvent>): void {
    if (!this.#vertex) return;
    this.#vertex = { ...this.#vertex, ...change };
    this.#report(this.#vertex);
  }

  #platform(): { os: string; architecture: string; variant?: string } {
    const host = hostPlatform();
    const { platform } = this.#request;
    if (platform === '') return host;
    const wanted = parsePlatform(platform);
    if (wanted.os === host.os && wanted.architecture === host.architecture) return host;
    throw new TareError(
      'not-implemented',
      `building for ${platform} is not supported: this machine is ${formatPlatform(host)}`,
    );
  }

  #step(text: string, span: Span | undefined): void {
    this.#at = span;
    const index = this.#number++;
    if (!this.#plan[index]) this.#planned(text);
    const { vertex = '' } = this.#plan[index] ?? {};
    if (this.#plan[index]?.text !== text) {
      // A trigger of the base image's, or what stands for --label.
      this.#plan[index] = { text, vertex, trigger: span === undefined };
      this.#report({ kind: 'plan', steps: [...this.#plan] });
    }
    const inputs = this.#vertex ? [this.#vertex.id] : [];
    const name = `[${this.#number}/${this.#plan.length}] ${text}`;
    this.#vertex = { kind: 'vertex', id: vertex, name, inputs };
    this.#tell({ started: Date.now() });
  }

  #stageParts(escapeChar: string, base: Image): StageParts {
    const { images, containers, cache, layerOf, root } = this.#parts;
    return {
      images,
      containers,
      cache,
      layerOf,
      escapeChar,
      request: this.#request,
      mayReuse: this.#reusable(base),
      files: (id) => this.#files(id),
      owner: (text, id) => this.#owner(text, id),
      source: (from) => this.#source(from),
      mounts: {
        context: this.#context,
        caches: join(root, 'caches'),
        image: async (ref) => (await this.#imageOf(ref)).id,
      },
      scratch: join(root, 'contexts'),
      step: (text, span) => this.#step(text, span),
      tell: (change) => this.#tell(change),
      output: (stream, data) => this.#report({ kind: 'log', vertex: this.#vertex?.id ?? '', stream, data }),
    };
  }

  /** With --cache-from, only what the named images were made of. */
  #reusable(base: Image): (imageId: string) => boolean {
    const { cacheFrom } = this.#request;
    if (cacheFrom.length === 0) return () => true;
    const { images } = this.#parts;
    const allowed = new Set([base.id]);
    for (const ref of cacheFrom) {
      for (let image = images.find(ref); image && !allowed.has(image.id); ) {
        allowed.add(image.id);
        image = image.parent === '' ? undefined : images.find(image.parent);
      }
    }
    return (imageId) => allowed.has(imageId);
  }

  /** The image that a stage begins with. */
  async #base(stage: Stage): Promise<Image> {
    const earlier = findStage(this.#stages, stage.base, stage.index);
    const built = earlier && !/^\d+$/.test(stage.base) ? this.#done.get(earlier) : undefined;
    if (built) return built;
    if (stage.base === 'scratch') return await this.#scratch();
    return await this.#named(stage.base);
  }

  /** A stage's or an image's, by the name in --from. */
  async #imageOf(ref: string): Promise<Image> {
    const stage = findStage(this.#stages, ref);
    const built = stage && this.#done.get(stage);
    return built ?? (await this.#named(ref));
  }

  async #named(name: string): Promise<Image> {
    const own = this.#request.contexts[name];
    const reference = own?.kind === 'image' ? own.reference : name;
    const { images } = this.#parts;
    const { pull, auth, signal } = this.#request;
    const here = images.find(reference);
    if (here && !pull) return here;
    const { domain } = parseReference(reference);
    const credentials = await auth(domain);
    try {
      return await images.pull(reference, {
        ...(credentials && { auth: credentials }),
        report: ({ status, id = '', current = 0, total = 0 }) => {
          if (status === undefined) return;
          const vertex = this.#vertex?.id ?? '';
          this.#report({ kind: 'status', vertex, id, name: status, current, total });
        },
        signal,
      });
    } catch (error) {
      // A registry that is away is no reason to give up what is here.
      if (here && isKind(error, 'unavailable')) return here;
      throw error;
    }
  }

  /** The image without layers: the same one for all builds. */
  async #scratch(): Promise<Image> {
    const { images, cache } = this.#parts;
    const known = cache.find(SCRATCH_KEY);
    const found = known === undefined ? undefined : images.find(known);
    if (found) return found;
    const { os, architecture, variant } = hostPlatform();
    const image = await images.createImage({
      base: undefined,
      layer: undefined,
      config: {
        os,
        architecture,
        ...(variant !== undefined && { variant }),
        created: '1970-01-01T00:00:00Z',
        config: {},
      },
      history: { createdBy: 'FROM scratch', author: '', comment: '' },
      reference: undefined,
    });
    cache.put(SCRATCH_KEY, image.id);
    return image;
  }

  #files(id: string): TargetTree & SourceTree {
    const { archives } = this.#parts;
    return {
      stat: (path) => archives.stat(id, path),
      pack: (path) => archives.get(id, path),
      put: (path, tar) => archives.put(id, path, tar, { noOverwriteDirNonDir: false, copyUIDGID: false }),
    };
  }

  async #source(from: string): Promise<Source> {
    if (from === '') {
      const tree = await this.#parts.trees.open(contextRoot(this.#parts.root, this.#context));
      return { tree, key: '', close: () => tree.close() };
    }
    const { containers } = this.#parts;
    const { config, hostConfig } = this.#request;
    const image = await this.#imageOf(from);
    const { id } = await containers.create({
      name: undefined,
      platform: undefined,
      config: { ...config, image: image.id, cmd: ['/bin/true'], entrypoint: [] },
      hostConfig: { ...hostConfig, networkMode: 'none' },
      endpoints: {},
    });
    const close = (): Promise<void> => containers.remove(id, { force: true, volumes: true, link: false });
    return { tree: this.#files(id), key: image.id, close };
  }

  /** `--chown` by numbers, or by names of the container's own users. */
  async #owner(text: string, id: string): Promise<{ uid: number; gid: number }> {
    const numbers = /^(\d+)(?::(\d+))?$/.exec(text);
    if (numbers) {
      const uid = Number(numbers[1]);
      return { uid, gid: numbers[2] === undefined ? uid : Number(numbers[2]) };
    }
    const read = async (path: string): Promise<string> => {
      const packed = await this.#files(id)
        .pack(path)
        .catch(() => undefined);
      return packed ? await firstFile(packed.tar) : '';
    };
    const database = { passwd: await read('/etc/passwd'), group: await read('/etc/group') };
    const { uid, gid } = resolveUser(text, [], database);
    return { uid, gid };
  }
}

/** Global ARGs as stages see them that declare them again. */
function globalValues(
  globals: ReadonlyMap<string, string | undefined>,
  args: Readonly<Record<string, string | null>>,
): ReadonlyMap<string, string | undefined> {
  return new Map([...globals].map(([name, value]) => [name, args[name] ?? value]));
}
