import { mkdir, readdir, rm } from 'node:fs/promises';
import { UndoStack } from '../../base/dispose.ts';
import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { mount, unmount } from '../../kernel/mount.ts';
import { closeFd } from '../../kernel/namespaces.ts';
import { fdPath, OpenFlag, openInRoot } from '../../kernel/openat2.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { VolumeService } from '../volumes/volumes.ts';
import type { MountPoint } from './model.ts';
import type { ContainerPaths } from './paths.ts';

/**
 * Copies what the image has at a volume's target into the volume when it is empty, owner and mode of the
 * directory included, as dockerd does at create time.
 */
export class VolumeFiller {
  readonly #snapshotter: Snapshotter;
  readonly #volumes: Pick<VolumeService, 'mount' | 'unmount'>;
  readonly #paths: ContainerPaths;
  readonly #log: Logger;

  constructor(
    snapshotter: Snapshotter,
    volumes: Pick<VolumeService, 'mount' | 'unmount'>,
    paths: ContainerPaths,
    log: Logger,
  ) {
    this.#snapshotter = snapshotter;
    this.#volumes = volumes;
    this.#paths = paths;
    this.#log = log;
  }

  /** `id` has a prepared snapshot that is not mounted. */
  async fill(id: string, points: readonly MountPoint[]): Promise<void> {
    const wanted = points.filter(({ type, copyUp }) => type === 'volume' && copyUp);
    const mounted = new UndoStack();
    try {
      const empty: MountPoint[] = [];
      for (const point of wanted) {
        const source = await this.#volumes.mount(point.name, id);
        mounted.push(() => this.#volumes.unmount(point.name, id));
        if (await isEmpty(source)) empty.push({ ...point, source });
      }
      if (empty.length > 0) await this.#copy(id, empty);
    } finally {
      await mounted.unwind((error) => this.#log.warn('a volume stays mounted', { id, error }));
    }
  }

  async #copy(id: string, points: readonly MountPoint[]): Promise<void> {
    const root = `${this.#paths.bundle(id)}.fill`;
    await mkdir(root, { recursive: true });
    try {
      for (const spec of this.#snapshotter.mounts(id)) mount(spec.type, spec.source, root, spec.options);
      for (const point of points) await copyUp(root, point);
    } finally {
      unmount(root);
      await rm(root, { recursive: true, force: true });
    }
  }
}

async function isEmpty(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw fromNodeError(error, `volume ${directory}`);
  }
}

async function copyUp(root: string, point: MountPoint): Promise<void> {
  let fd: number;
  try {
    fd = openInRoot(root, point.destination, OpenFlag.RDONLY | OpenFlag.DIRECTORY);
  } catch (error) {
    // Nothing there, or a file: the volume stays empty.
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return;
    throw error;
  }
  try {
    // `cp -a` keeps owners, links, holes and xattrs; the descriptor pins the directory against swaps.
    const child = Bun.spawn(['cp', '-a', '--reflink=auto', `${fdPath(fd)}/.`, `${point.source}/`], {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
    });
    const [code, errors] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    if (code !== 0) {
      const kind = /No space left/.test(errors) ? 'exhausted' : 'internal';
      throw new TareError(kind, `copying image content into volume ${point.name}: ${errors.trim()}`);
    }
  } finally {
    closeFd(fd);
  }
}
