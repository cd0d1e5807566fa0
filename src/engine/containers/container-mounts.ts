import { statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { codeOf } from '../../kernel/errno.ts';
import { listMounts, type MountInfo, mount } from '../../kernel/mount.ts';
import { attachCopy } from '../../kernel/mount-tree.ts';
import { closeFd } from '../../kernel/namespaces.ts';
import { fdPath, OpenFlag, openBeneath } from '../../kernel/openat2.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import type { VolumeService } from '../volumes/volumes.ts';
import { attachMapped } from './bind-idmap.ts';
import { checkPropagation, hasMountsBelow, makeBindSource, nests } from './bind-source.ts';
import type { Container, MountPoint } from './model.ts';
import type { MountShelf } from './mount-shelf.ts';
import { makeLinkedTarget } from './mount-target.ts';
import type { ContainerPaths } from './paths.ts';

/** What bringing containers' mounts into reach takes. */
export interface ContainerMountsParts {
  readonly volumes: Pick<VolumeService, 'mount' | 'unmount'>;
  readonly snapshotter: Pick<Snapshotter, 'viewMounts'>;
  readonly shelf: MountShelf;
  readonly paths: Pick<ContainerPaths, 'rootfs' | 'dataRoot'>;
  /** Descriptor of the namespace that translates a container's owners. */
  readonly userNamespace: (container: Container) => Promise<number | undefined>;
  readonly events: Pick<EventBus, 'emit'>;
  readonly log: Logger;
}

/**
 * The sources of a container's mounts: looked up, made and mounted just before the runtime binds them, and given back
 * at its end. What the runtime cannot do by itself (a part of a volume that no link may lead out of, mounts below a
 * bind left out or made read-only) is a mount of its own on the shelf, which the runtime then binds.
 */
export class ContainerMounts {
  readonly #parts: ContainerMountsParts;

  constructor(parts: ContainerMountsParts) {
    this.#parts = parts;
  }

  /** The container's mount points with the sources to bind. After a failure `release` gives back what there is. */
  async prepare(container: Container): Promise<MountPoint[]> {
    const { id } = container;
    this.#parts.shelf.clear(id);
    const table = lazily(() => listMounts());
    const result: MountPoint[] = [];
    for (const [index, point] of container.mounts.entries()) {
      const asked = this.#propagating(point, table);
      result.push({ ...asked, source: await this.#source(container, asked, index, table) });
    }
    return result;
  }

  /** Checks what a bind shares with the host. */
  #propagating(point: MountPoint, table: () => readonly MountInfo[]): MountPoint {
    if (point.type !== 'bind') return point;
    makeBindSource(point);
    if (!/shared|slave/.test(point.propagation)) return point;
    try {
      checkPropagation(point, table());
      return point;
    } catch (error) {
      // As dockerd: it was chosen for the user, and where the host shares nothing there is nothing to follow.
      if (!point.propagation.includes('slave') || !nests(point.source, this.#parts.paths.dataRoot))
        throw error;
      return { ...point, propagation: 'rprivate' };
    }
  }

  /** Makes targets that only links of the image lead to. `points` are prepared; the container's root is mounted. */
  makeTargets({ id }: Container, points: readonly MountPoint[]): void {
    const root = this.#parts.paths.rootfs(id);
    for (const { type, source, destination } of points) {
      makeLinkedTarget(root, destination, type === 'tmpfs' || statSync(source).isDirectory());
    }
  }

  async #source(
    container: Container,
    point: MountPoint,
    index: number,
    table: () => readonly MountInfo[],
  ): Promise<string> {
    switch (point.type) {
      case 'volume': {
        const path = await this.#parts.volumes.mount(point.name, container.id);
        this.#emit('mount', container, point);
        const source = point.subpath ? this.#part(container.id, index, path, point.subpath) : path;
        return await this.#translated(container, source, index);
      }
      case 'bind':
        if (point.idmap === undefined) return this.#bind(container.id, point, index, table);
        return await this.#mapped(container, point, index);
      case 'image':
        return this.#image(container.id, point, index);
      case 'tmpfs':
        return point.source;
    }
  }

  #bind(id: string, point: MountPoint, index: number, table: () => readonly MountInfo[]): string {
    const { source, readWrite, below, propagation } = point;
    // As dockerd since 25: what is read-only is so in all of its depth, unless asked otherwise.
    const deep =
      !readWrite && below !== 'left-out' && below !== 'writable' && hasMountsBelow(source, table());
    if (below !== 'left-out' && !deep) return source;
    const target = this.#parts.shelf.place(id, index, source);
    attachCopy(source, target, {
      recursive: below !== 'left-out',
      readOnly: deep,
      isolated: !/shared|slave/.test(propagation),
    });
    return target;
  }

  async #mapped(container: Container, point: MountPoint, index: number): Promise<string> {
    const { shelf, paths } = this.#parts;
    const target = shelf.place(container.id, index, point.source);
    await attachMapped(container, point, target, paths.rootfs(container.id));
    return target;
  }

  /** Files in volumes have the owners that they have inside, whatever the container's user namespace is. */
  async #translated(container: Container, source: string, index: number): Promise<string> {
    const { shelf, userNamespace } = this.#parts;
    const namespace = await userNamespace(container);
    if (namespace === undefined) return source;
    const target = shelf.place(container.id, TRANSLATED + index, source);
    try {
      attachCopy(source, target, {
        recursive: true,
        readOnly: false,
        isolated: true,
        userNamespace: namespace,
      });
      return target;
    } catch (error) {
      // Of file systems that cannot (NFS), owners are the host's.
      if (codeOf(error) !== 'EINVAL') throw error;
      return source;
    }
  }

  /** A part of a volume or image, pinned: links that lead out of it are refused, also while somebody changes them. */
  #part(id: string, index: number, base: string, subpath: string): string {
    let fd: number;
    try {
      fd = openBeneath(base, subpath, OpenFlag.PATH);
    } catch (error) {
      const path = join(base, subpath);
      if (codeOf(error) === 'EXDEV' || codeOf(error) === 'ELOOP') {
        throw new TareError(
          'invalid',
          `path concatenation escapes the base directory, base: ${base}, subpath: ${subpath}`,
          error,
        );
      }
      const reason = codeOf(error) === 'ENOENT' ? 'no such file or directory' : messageOf(error);
      throw new TareError('invalid', `cannot access path ${path}: ${reason}`, error);
    }
    try {
      const target = this.#parts.shelf.place(id, index, fdPath(fd));
      attachCopy(fdPath(fd), target, { recursive: true, readOnly: false, isolated: true });
      return target;
    } finally {
      closeFd(fd);
    }
  }

  #image(id: string, point: MountPoint, index: number): string {
    const { shelf, snapshotter } = this.#parts;
    const target = shelf.place(id, index);
    for (const { type, source, target: inside, options } of snapshotter.viewMounts(
      point.image?.layers ?? [],
    )) {
      mount(type, source, join(target, inside), options);
    }
    // Beside those of the points, which count from 0.
    return point.subpath ? this.#part(id, IMAGE_PARTS + index, target, point.subpath) : target;
  }

  /** The container has its mounts: the shelf is not needed any more. */
  created({ id }: Container): void {
    this.#clear(id);
  }

  /** Gives everything back. Idempotent. */
  async release(container: Container): Promise<void> {
    this.#clear(container.id);
    const points = container.mounts.filter(({ type }) => type === 'volume');
    for (const name of new Set(points.map((point) => point.name))) {
      await this.#parts.volumes.unmount(name, container.id).catch((error) => {
        this.#parts.log.warn('a volume stays mounted', { volume: name, error: messageOf(error) });
      });
    }
    for (const point of points) this.#emit('unmount', container, point);
  }

  #clear(id: string): void {
    try {
      this.#parts.shelf.clear(id);
    } catch (error) {
      this.#parts.log.warn('mounts made for a container stay', { id, error: messageOf(error) });
    }
  }

  /** At start-up: takes away what creations that a crash cut short left standing. */
  sweep(): void {
    for (const id of this.#parts.shelf.ids()) this.#clear(id);
  }

  #emit(action: 'mount' | 'unmount', container: Container, point: MountPoint): void {
    this.#parts.events.emit({
      type: 'volume',
      action,
      id: point.name,
      attributes: {
        container: container.id,
        driver: point.driver,
        ...(action === 'mount' && {
          destination: point.destination,
          propagation: point.propagation,
          'read/write': String(point.readWrite),
        }),
      },
    });
  }
}

const IMAGE_PARTS = 100_000;
const TRANSLATED = 200_000;

function lazily<T>(read: () => T): () => T {
  let value: { readonly read: T } | undefined;
  return () => {
    value ??= { read: read() };
    return value.read;
  };
}
