import type { PathStatus, RootedTree, RootedTrees, RootSource } from '../../archive/rooted/rooted.ts';
import { isKind, TareError } from '../../base/errors.ts';
import { onEnd } from '../../base/streams.ts';
import { codeOf } from '../../kernel/errno.ts';
import { readUserDatabase, resolveUser } from '../../runtime/spec/user.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerMounts } from './container-mounts.ts';
import type { ContainerSet } from './container-set.ts';
import { isAlive } from './lifecycle.ts';
import type { Container, MountPoint } from './model.ts';
import type { ContainerPaths } from './paths.ts';
import type { Supervisor } from './supervisor.ts';
import type { UserMapping } from './user-mapping.ts';

/** What copying files takes. */
export interface ContainerArchivesParts {
  readonly set: ContainerSet;
  readonly supervisor: Pick<Supervisor, 'exclusive'>;
  readonly snapshotter: Pick<Snapshotter, 'mounts'>;
  readonly mounts: Pick<ContainerMounts, 'prepare' | 'release'>;
  readonly paths: ContainerPaths;
  readonly trees: RootedTrees;
  readonly mapping: (container: Container) => UserMapping | undefined;
  readonly events: EventBus;
}

export interface PutOptions {
  readonly noOverwriteDirNonDir: boolean;
  readonly copyUIDGID: boolean;
}

/**
 * Files in and out of containers, as dockerd's archive endpoints have them: `docker cp`. A running container is seen as
 * its first process sees it, volumes, binds and tmpfs with it; one that does not run is mounted for the while, and does
 * not start before the copy is over.
 */
export class ContainerArchives {
  readonly #parts: ContainerArchivesParts;

  constructor(parts: ContainerArchivesParts) {
    this.#parts = parts;
  }

  /** What is at `path` in a container. Throws `not-found` in Docker's words. */
  async stat(ref: string, path: string): Promise<PathStatus> {
    return await this.#inside(ref, path, (tree) => tree.stat(path));
  }

  /** A file or directory as a tar. */
  async get(ref: string, path: string): Promise<{ status: PathStatus; tar: ReadableStream<Uint8Array> }> {
    const started = Promise.withResolvers<{ status: PathStatus; tar: ReadableStream<Uint8Array> }>();
    const copying = this.#inside(ref, path, async (tree, container) => {
      const { status, tar } = await tree.pack(path);
      this.#parts.events.emit(containerEvent(container, 'archive-path'));
      const over = Promise.withResolvers<void>();
      started.resolve({ status, tar: onEnd(tar, over.resolve) });
      await over.promise;
    });
    copying.catch(started.reject);
    return await started.promise;
  }

  /** Unpacks a tar in a directory of a container. */
  async put(ref: string, path: string, tar: ReadableStream<Uint8Array>, options: PutOptions): Promise<void> {
    try {
      await this.#inside(ref, path, async (tree, container) => {
        checkWritable(container, await tree.enter(path));
        const owner = options.copyUIDGID ? ownerIn(tree.place, container) : undefined;
        await tree.unpack(tar, { keepKinds: options.noOverwriteDirNonDir, owner });
        this.#parts.events.emit(containerEvent(container, 'extract-to-dir'));
      });
    } catch (error) {
      if (!tar.locked) await tar.cancel().catch(() => {});
      throw error;
    }
  }

  /** Runs `body` with the container's root open. */
  async #inside<T>(
    ref: string,
    path: string,
    body: (tree: RootedTree, container: Container) => Promise<T>,
  ): Promise<T> {
    const { set, supervisor } = this.#parts;
    const { id } = set.get(ref);
    try {
      const container = set.get(id);
      if (isAlive(container.state)) {
        const tree = await this.#living(container).catch(unlessEnded);
        if (tree !== undefined) return await within(tree, () => body(tree, container));
      }
      return await supervisor.exclusive(id, () => this.#open(set.get(id), body));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      throw new TareError('not-found', `Could not find the file ${path} in container ${ref}`, error);
    }
  }

  #living(container: Container): Promise<RootedTree> {
    return this.#parts.trees.open(livingRoot(container, this.#parts.mapping(container)));
  }

  /** Under the container's lock: nobody starts it meanwhile. */
  async #open<T>(
    container: Container,
    body: (tree: RootedTree, container: Container) => Promise<T>,
  ): Promise<T> {
    if (isAlive(container.state)) {
      const tree = await this.#living(container);
      return await within(tree, () => body(tree, container));
    }
    const { mounts, trees } = this.#parts;
    try {
      // With owners as they are on the disk: nobody's user is looked up in a root that is not mounted.
      const unmapped = container.mounts.map(({ idmap: _, ...point }) => point);
      const hostConfig = { ...container.hostConfig, usernsMode: 'host' };
      const points = await mounts.prepare({ ...container, hostConfig, mounts: unmapped });
      const tree = await trees.open(this.#mountedRoot(container, points));
      return await within(tree, () => body(tree, container));
    } finally {
      await mounts.release(container);
    }
  }

  #mountedRoot({ id }: Container, points: readonly MountPoint[]): RootSource {
    const { paths, snapshotter } = this.#parts;
    return {
      kind: 'mounted',
      at: paths.views,
      mounts: snapshotter.mounts(id),
      // As dockerd: what lives in memory is not there while nothing runs.
      binds: points
        .filter(({ type }) => type !== 'tmpfs')
        .map(({ source, destination, readWrite, type }) => ({
          source,
          destination,
          readOnly: !readWrite,
          recursive: type === 'bind',
        })),
    };
  }
}

function livingRoot({ id, state, mounts, hostConfig }: Container, ids: UserMapping | undefined): RootSource {
  const mountPoints = [
    ...mounts.map(({ destination }) => destination),
    ...Object.keys(hostConfig.tmpfs),
    ...NETWORK_FILES,
  ];
  return { kind: 'living', pid: state.pid, cgroup: id, mountPoints, ids };
}

/** With `copyUIDGID` all that is copied belongs to the container's user, if it names one; that is dockerd's reading. */
function ownerIn(root: string, { config }: Container): { uid: number; gid: number } | undefined {
  if (config.user === '') return undefined;
  const { uid, gid } = resolveUser(config.user, [], readUserDatabase(root));
  return { uid, gid };
}

/** Its process has just ended: what there is then is a container that does not run. */
function unlessEnded(error: unknown): undefined {
  if (!isKind(error, 'not-found')) throw error;
}

async function within<T>(tree: RootedTree, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } finally {
    await tree.close();
  }
}

/** Files that are mounted in every container and count as its own. */
const NETWORK_FILES = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'];

/** Throws `forbidden` in Docker's words when what lies at `path` (without links) may not be written. */
function checkWritable({ mounts, hostConfig, state }: Container, path: string): void {
  const isBelow = (at: string): boolean => at === '/' || path === at || path.startsWith(`${at}/`);
  const point = mounts
    .filter(({ destination }) => isBelow(destination))
    .toSorted((a, b) => b.destination.length - a.destination.length)[0];
  if (point !== undefined && !point.readWrite) {
    throw new TareError('forbidden', 'mounted volume is marked read-only');
  }
  const inMemory = isAlive(state) && Object.keys(hostConfig.tmpfs).some(isBelow);
  if (point === undefined && !inMemory && hostConfig.readonlyRootfs) {
    throw new TareError('forbidden', 'container rootfs is marked read-only');
  }
}
