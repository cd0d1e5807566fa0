import { mkdir, rm } from 'node:fs/promises';
import { unmount } from '../../kernel/mount.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import { applyChanges } from '../images/changes.ts';
import type { ImageService } from '../images/images.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import type { CommitOptions } from './containers.ts';
import { isAlive } from './lifecycle.ts';
import type { Container, ContainerConfig } from './model.ts';
import type { ContainerPaths } from './paths.ts';
import type { Supervisor } from './supervisor.ts';

/** What reading containers' files takes. */
export interface ContainerFilesParts {
  readonly set: ContainerSet;
  readonly runtime: Pick<Runtime, 'pause' | 'resume'>;
  readonly supervisor: Pick<Supervisor, 'exclusive' | 'mountRoot'>;
  readonly snapshotter: Snapshotter;
  readonly images: Pick<ImageService, 'get' | 'find' | 'createImage'>;
  readonly paths: ContainerPaths;
  readonly events: EventBus;
  /** The tree below a directory as a tar (archive/). */
  readonly tarTree: (directory: string) => ReadableStream<Uint8Array>;
}

/** `export` and `commit`: a container's file system as a tar or as an image. */
export class ContainerFiles {
  readonly #parts: ContainerFilesParts;

  constructor(parts: ContainerFilesParts) {
    this.#parts = parts;
  }

  /** The merged root of a container; a stopped one is mounted while the tar is read. */
  async export(ref: string): Promise<ReadableStream<Uint8Array>> {
    const { set, paths, tarTree, supervisor, events } = this.#parts;
    const container = set.get(ref);
    const { id } = container;
    events.emit(containerEvent(container, 'export'));
    if (isAlive(container.state)) return tarTree(paths.rootfs(id));
    const root = `${paths.bundle(id)}.export`;
    const { promise: mounted, resolve, reject } = Promise.withResolvers<ReadableStream<Uint8Array>>();
    // The container cannot start while it is mounted here: overlay forbids two mounts of one upper directory.
    supervisor
      .exclusive(id, async () => {
        await mkdir(root, { recursive: true, mode: 0o700 });
        try {
          supervisor.mountRoot(id, root);
          const done = Promise.withResolvers<void>();
          resolve(whenDone(tarTree(root), done.resolve));
          await done.promise;
        } finally {
          unmount(root);
          await rm(root, { recursive: true, force: true });
        }
      })
      .catch(reject);
    return await mounted;
  }

  /** Makes an image of the container's changes on top of its image. Returns `sha256:…`. */
  async commit(ref: string, options: CommitOptions): Promise<string> {
    const { set, images, runtime, events, snapshotter } = this.#parts;
    const container = set.get(ref);
    const { id } = container;
    const freeze = options.pause && container.state.status === 'running';
    const config = applyChanges(imageConfigOf(container), options.changes);
    if (freeze) await runtime.pause(id);
    try {
      const base = images.get(container.imageId);
      const image = await images.createImage({
        base: base.id,
        layer: snapshotter.diff(id),
        config: {
          architecture: base.config.architecture,
          os: base.config.os,
          ...(base.config.variant !== undefined && { variant: base.config.variant }),
          created: new Date().toISOString(),
          ...(options.author !== '' && { author: options.author }),
          ...(options.comment !== '' && { comment: options.comment }),
          container: id,
          config,
        },
        history: {
          createdBy: [...(container.config.entrypoint ?? []), ...(container.config.cmd ?? [])].join(' '),
          author: options.author,
          comment: options.comment,
        },
        reference: options.reference === '' ? undefined : options.reference,
      });
      events.emit(containerEvent(container, 'commit', { comment: options.comment, imageID: image.id }));
      return image.id;
    } finally {
      if (freeze && set.byId(id)?.state.status === 'running') await runtime.resume(id);
    }
  }
}

/** The part of a container's config that an image keeps. */
function imageConfigOf(container: Container): NonNullable<Parameters<typeof applyChanges>[0]> {
  const { config } = container;
  const keep = (record: ContainerConfig['volumes']): ContainerConfig['volumes'] | null =>
    Object.keys(record).length > 0 ? record : null;
  return {
    ...(config.user !== '' && { User: config.user }),
    ExposedPorts: keep(config.exposedPorts),
    Env: config.env,
    Entrypoint: config.entrypoint,
    Cmd: config.cmd,
    Volumes: keep(config.volumes),
    WorkingDir: config.workingDir,
    Labels: config.labels,
    ...(config.stopSignal && { StopSignal: config.stopSignal }),
    ...(config.healthcheck && { Healthcheck: config.healthcheck }),
    ...(config.shell && { Shell: config.shell }),
    OnBuild: config.onBuild ?? null,
  };
}

/** Calls `done` when the stream has ended, failed or was cancelled. */
function whenDone(stream: ReadableStream<Uint8Array>, done: () => void): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done: ended, value } = await reader.read();
        if (ended) {
          controller.close();
          done();
        } else {
          controller.enqueue(value);
        }
      } catch (error) {
        done();
        throw error;
      }
    },
    async cancel(reason) {
      await reader.cancel(reason).catch(() => {});
      done();
    },
  });
}
