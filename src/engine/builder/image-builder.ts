import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootedTrees } from '../../archive/rooted/rooted.ts';
import { messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { ContainerService } from '../containers/containers.ts';
import type { ImageService, ImageWork } from '../images/images.ts';
import { Build } from './build.ts';
import type {
  BuildContext,
  BuildEvent,
  Builder,
  BuildRequest,
  BuildResult,
  RemoteContext,
} from './builder.ts';
import { dropIgnored, readDockerfile } from './context/context-files.ts';
import { keyOf } from './graph/graph.ts';
import { CacheMounts } from './operations/cache-mounts.ts';
import { ContextTree } from './operations/context-tree.ts';
import type { Environment } from './operations/environment.ts';
import { Limits } from './operations/limits.ts';
import { Roots } from './operations/roots.ts';
import { MemoryDirectory } from './operations/run-mounts.ts';
import { remoteContext } from './sources/remote-context.ts';
import type { StepCache } from './step-cache.ts';
import { StepContainers } from './step-containers.ts';

/** What the builder takes. */
export interface ImageBuilderParts {
  readonly images: Pick<ImageService, 'find' | 'pull' | 'tag' | 'work'>;
  readonly containers: Pick<ContainerService, 'create' | 'attach' | 'start' | 'wait' | 'remove' | 'kill'>;
  readonly snapshotter: Pick<Snapshotter, 'prepare' | 'mounts' | 'viewMounts' | 'diff' | 'remove'>;
  readonly cache: StepCache;
  readonly trees: RootedTrees;
  /** Directory of the builder's own: contexts while they are built, and caches of RUN. */
  readonly root: string;
  /** For what must never lie on a disk; a file system in memory is mounted there when it is needed. */
  readonly memory: string;
  readonly log: Logger;
}

/** Builds images: keeps contexts while they are built, and all builds from doing too much at once. */
export class ImageBuilder implements Builder {
  readonly #parts: ImageBuilderParts;
  readonly #steps: StepContainers;
  readonly #roots: Roots;
  readonly #limits = new Limits();
  readonly #memory: MemoryDirectory;
  /** Directories of `RUN --mount=type=cache`. */
  readonly caches: CacheMounts;

  constructor(parts: ImageBuilderParts) {
    this.#parts = parts;
    const { root, snapshotter, trees } = parts;
    this.#steps = new StepContainers(parts.containers, join(root, 'steps'));
    this.#roots = new Roots({ snapshotter, trees, at: join(root, 'mount') });
    this.#memory = new MemoryDirectory(parts.memory);
    this.caches = new CacheMounts(join(root, 'caches'));
  }

  /** Takes away the containers of the last daemon's builds, once containers are known. */
  async sweepContainers(): Promise<void> {
    await this.#steps.sweep(this.#parts.log);
    this.#memory.close();
  }

  /** Takes away contexts of builds that the last daemon was in the midst of. */
  async sweep(): Promise<void> {
    await rm(join(this.#parts.root, 'contexts'), { recursive: true, force: true });
    for (const name of ['contexts', 'caches', 'mount']) {
      await mkdir(join(this.#parts.root, name), { recursive: true, mode: 0o700 });
    }
  }

  /** Takes away what is mounted. */
  close(): void {
    this.#memory.close();
  }

  async build(request: BuildRequest, report: (event: BuildEvent) => void): Promise<BuildResult> {
    const own = await mkdtemp(join(this.#parts.root, 'contexts', 'c-'));
    try {
      return await this.#parts.images.work((work) => this.#build(request, report, own, work));
    } finally {
      await rm(own, { recursive: true, force: true }).catch((error) => {
        this.#parts.log.warn('removing the context of a build', { error: messageOf(error) });
      });
    }
  }

  async #build(
    request: BuildRequest,
    report: (event: BuildEvent) => void,
    own: string,
    work: ImageWork,
  ): Promise<BuildResult> {
    const { images, cache, snapshotter } = this.#parts;
    const { dockerfile } = request;
    const tree = await this.#open(request.context, join(own, 'context'), request);
    const text = 'text' in dockerfile ? dockerfile.text : await this.#dockerfile(tree, dockerfile.path);
    const contexts = new Map([['', Promise.resolve(tree)]]);
    const environment: Environment = {
      request,
      layers: work.layers,
      roots: this.#roots,
      containers: this.#steps,
      layerOf: (id, hidden) => snapshotter.diff(id, hidden),
      limits: this.#limits,
      context: (name) => {
        const context = request.contexts[name];
        let opened = contexts.get(name);
        if (!opened) {
          if (!context || context.kind === 'image') {
            throw new TareError('internal', `there is no context ${name}`);
          }
          opened = this.#open(context, join(own, `n-${keyOf(name).slice(0, 16)}`), undefined);
          contexts.set(name, opened);
        }
        return opened;
      },
      scratch: own,
      memory: () => this.#memory.open(),
    };
    const build = new Build({ images, work, cache, caches: this.caches, environment, request, report });
    return await build.run(text, 'path' in dockerfile ? dockerfile.path : dockerfile.name);
  }

  /** Brings a context into a directory unless it is in one. `request`: of the build's own context. */
  async #open(
    context: BuildContext,
    directory: string,
    request: BuildRequest | undefined,
  ): Promise<ContextTree> {
    if (context.kind === 'directory') return new ContextTree(context.path, context.digestOf);
    await mkdir(directory);
    const tree = await this.#roots.directory(directory);
    try {
      await tree.enter('/');
      await tree.unpack(context.stream, { keepKinds: false, owner: undefined });
      // Read first: the ignore file may name it.
      if (request && 'path' in request.dockerfile) {
        const { path } = request.dockerfile;
        const text = await readDockerfile(tree, path);
        await dropIgnored(tree, directory, path);
        return new ContextTree(directory, undefined, text);
      }
    } finally {
      await tree.close();
    }
    return new ContextTree(directory);
  }

  async #dockerfile(context: ContextTree, path: string): Promise<string> {
    if (context.dockerfile !== undefined) return context.dockerfile;
    const tree = await this.#roots.directory(context.path);
    try {
      return await readDockerfile(tree, path);
    } finally {
      await tree.close();
    }
  }

  remoteContext(address: string, signal: AbortSignal, dockerfile?: string): Promise<RemoteContext> {
    return remoteContext(address, join(this.#parts.root, 'contexts'), signal, dockerfile);
  }
}
