import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootedTrees } from '../../archive/rooted/rooted.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { ContainerService } from '../containers/containers.ts';
import type { ImageService, ImageWork } from '../images/images.ts';
import { Build } from './build.ts';
import type { BuildEvent, Builder, BuildRequest, BuildResult, RemoteContext } from './builder.ts';
import { CacheMounts } from './operations/cache-mounts.ts';
import { Contexts } from './operations/contexts.ts';
import type { Environment } from './operations/environment.ts';
import { Limits } from './operations/limits.ts';
import { Roots } from './operations/roots.ts';
import { MemoryDirectory } from './operations/run-mounts.ts';
import { remoteContext } from './sources/remote-context.ts';
import type { StepCache } from './step-cache.ts';
import { StepContainers } from './step-containers.ts';

/** What the builder takes. */
export interface ImageBuilderParts {
  readonly images: Pick<ImageService, 'find' | 'pull' | 'tag' | 'work' | 'collect'>;
  readonly containers: Pick<ContainerService, 'create' | 'attach' | 'start' | 'wait' | 'remove' | 'kill'>;
  readonly snapshotter: Pick<Snapshotter, 'prepare' | 'mounts' | 'viewMounts' | 'diff' | 'remove'>;
  readonly cache: StepCache;
  readonly trees: RootedTrees;
  /** Directory of the builder's own: contexts while they are built, and caches of RUN. */
  readonly root: string;
  /** For what must never lie on a disk; a file system in memory is mounted there when it is needed. */
  readonly memory: string;
  /** Bytes that a context may have. */
  readonly contextLimit: () => number;
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
      const result = await this.#parts.images.work((work) => this.#build(request, report, own, work));
      // The context's layer is nobody's now.
      if (request.context.kind === 'tar') await this.#parts.images.collect();
      return result;
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
    const contexts = new Contexts(request, work, this.#roots, this.#parts.contextLimit);
    const late: Promise<void>[] = [];
    const environment: Environment = {
      request,
      later: (work) => {
        late.push(
          work.catch((error) => {
            this.#parts.log.warn('clearing up after a step', { error: messageOf(error) });
          }),
        );
      },
      layers: work.layers,
      roots: this.#roots,
      containers: this.#steps,
      layerOf: (id, hidden) => snapshotter.diff(id, hidden),
      limits: this.#limits,
      context: (name) => contexts.open(name),
      scratch: own,
      memory: () => this.#memory.open(),
    };
    const build = new Build({ images, work, cache, caches: this.caches, environment, request, report });
    try {
      await contexts.open('');
      const { dockerfile } = request;
      const text = 'text' in dockerfile ? dockerfile.text : await contexts.dockerfile(dockerfile.path);
      return await build.run(text, 'path' in dockerfile ? dockerfile.path : dockerfile.name);
    } finally {
      await Promise.all(late);
      await contexts.close();
    }
  }

  remoteContext(address: string, signal: AbortSignal, dockerfile?: string): Promise<RemoteContext> {
    return remoteContext(address, join(this.#parts.root, 'contexts'), signal, dockerfile);
  }
}
