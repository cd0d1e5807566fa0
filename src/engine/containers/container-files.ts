import { mkdir, rm } from 'node:fs/promises';
import { isKind } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { onEnd } from '../../base/streams.ts';
import { mount, unmount } from '../../kernel/mount.ts';
import { familiarString, parseReference } from '../../oci/reference.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import { applyChanges } from '../images/changes.ts';
import type { ImageService } from '../images/images.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import type { CommitOptions } from './containers.ts';
import { mergeConfig } from './merge-config.ts';
import type { ContainerConfig } from './model.ts';
import type { ContainerPaths } from './paths.ts';

/** What reading containers' files takes. */
export interface ContainerFilesParts {
  readonly set: ContainerSet;
  readonly runtime: Pick<Runtime, 'pause' | 'resume'>;
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

  /** The merged root of a container without what is mounted in it, as a tar. */
  async export(ref: string): Promise<ReadableStream<Uint8Array>> {
    const { set, paths, tarTree, snapshotter, events } = this.#parts;
    const container = set.get(ref);
    const { id } = container;
    events.emit(containerEvent(container, 'export'));
    const root = `${paths.bundle(id)}.export-${newId().slice(0, 8)}`;
    const done = async (): Promise<void> => {
      unmount(root);
      await rm(root, { recursive: true, force: true });
    };
    await mkdir(root, { recursive: true, mode: 0o700 });
    try {
      for (const spec of snapshotter.secondLook(id)) mount(spec.type, spec.source, root, spec.options);
      return onEnd(tarTree(root), done);
    } catch (error) {
      await done();
      throw error;
    }
  }

  /** Makes an image of the container's changes on top of its image. Returns `sha256:…`. */
  async commit(ref: string, options: CommitOptions): Promise<string> {
    const { set, images, runtime, events, snapshotter } = this.#parts;
    const container = set.get(ref);
    const { id } = container;
    const own = imageConfigOf(container.config);
    const changed = applyChanges(options.config ? imageConfigOf(options.config) : own, options.changes);
    // As dockerd, which fills what is open after the changes: an entrypoint of their own drops the command.
    const config = imageConfigOf(mergeConfig(asRequested(options.config ?? container.config, changed), own));
    const frozen = options.pause && container.state.status === 'running' && (await this.#freeze(id));
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
      const { comment, reference } = options;
      events.emit(
        containerEvent(container, 'commit', {
          comment,
          imageID: image.id,
          ...(reference !== '' && { imageRef: familiarString(parseReference(reference)) }),
        }),
      );
      return image.id;
    } finally {
      if (frozen && set.byId(id)?.state.status === 'running') await runtime.resume(id);
    }
  }

  /** False when it has just ended: then nothing changes its files either. */
  async #freeze(id: string): Promise<boolean> {
    try {
      await this.#parts.runtime.pause(id);
      return true;
    } catch (error) {
      if (isKind(error, 'not-found')) return false;
      throw error;
    }
  }
}

/** A config with what an image's has in its place, to be filled. */
function asRequested(config: ContainerConfig, image: ReturnType<typeof imageConfigOf>): ContainerConfig {
  const { healthcheck: _, stopSignal: __, ...rest } = config;
  return {
    ...rest,
    user: image.User ?? '',
    exposedPorts: { ...image.ExposedPorts },
    env: [...(image.Env ?? [])],
    entrypoint: image.Entrypoint ? [...image.Entrypoint] : null,
    cmd: image.Cmd ? [...image.Cmd] : null,
    volumes: { ...image.Volumes },
    workingDir: image.WorkingDir ?? '',
    labels: { ...image.Labels },
    onBuild: image.OnBuild ? [...image.OnBuild] : null,
    ...(image.StopSignal !== undefined && { stopSignal: image.StopSignal }),
    ...(image.Healthcheck && { healthcheck: image.Healthcheck }),
  };
}

/** The part of a container's config that an image keeps. */
function imageConfigOf(config: ContainerConfig): NonNullable<Parameters<typeof applyChanges>[0]> {
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
