import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { TareError } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { limitDirectory, projectOf } from '../../kernel/project-quota.ts';
import { Trash } from '../apply/trash.ts';
import type { LayerStore } from '../layers.ts';
import type { Change, LayerInfo, LayerSource, MountSpec, Snapshotter, Usage } from '../snapshots.ts';
import { snapshotChanges } from './changes.ts';
import { snapshotDiff } from './diff.ts';
import { treeUsage } from './usage.ts';

/**
 * Pinned so that the host's module parameters do not matter: without redirects and metacopy an upper directory
 * alone tells what changed; without the index a snapshot can be mounted again after a crash.
 */
const FIXED_OPTIONS = ['index=off', 'redirect_dir=off', 'metacopy=off'] as const;

/** Projects of limited snapshots count from here; those of volumes from another number (engine/volumes). */
const FIRST_PROJECT = 1_660_944_384;

const KEY = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * Snapshots on overlayfs, over whatever keeps the layers. Below the root:
 *
 *   s/KEY          a snapshot: u (upper), w (work), layers.json
 *   trash/ID       what is being deleted
 *   empty, empty2  empty directories, as lower directories of last resort
 *
 * One instance per root; the daemon's lock sees to that.
 */
export class OverlaySnapshotter implements Snapshotter {
  readonly name: string;
  readonly #layers: LayerStore;
  readonly #snapshots: string;
  readonly #empty: string;
  readonly #otherEmpty: string;
  readonly #trash: Trash;
  readonly #chains = new Map<string, readonly string[]>();

  /** `root` is made if missing and belongs to this instance alone; `layers` may lie there too. */
  constructor(name: string, root: string, layers: LayerStore, logger: Logger = silentLogger) {
    this.name = name;
    this.#layers = layers;
    this.#snapshots = `${root}/s`;
    this.#empty = `${root}/empty`;
    this.#otherEmpty = `${root}/empty2`;
    mkdirSync(this.#snapshots, { recursive: true, mode: 0o700 });
    for (const directory of [this.#empty, this.#otherEmpty])
      mkdirSync(directory, { recursive: true, mode: 0o755 });
    mkdirSync(`${root}/trash`, { recursive: true, mode: 0o700 });
    this.#trash = new Trash(`${root}/trash`, logger);
    for (const key of readdirSync(this.#snapshots)) {
      try {
        layers.hold(this.#chainOf(key));
      } catch (error) {
        // A snapshot that cannot be mounted any more needs no layers.
        logger.warn('a snapshot without readable layers is ignored', { snapshot: key, error });
      }
    }
  }

  applyLayer(diffId: string | undefined, source: LayerSource): Promise<LayerInfo> {
    return this.#layers.apply(diffId, source);
  }

  hasLayer(diffId: string): boolean {
    return this.#layers.info(diffId) !== undefined;
  }

  layer(diffId: string): LayerInfo | undefined {
    return this.#layers.info(diffId);
  }

  listLayers(): LayerInfo[] {
    return this.#layers.list();
  }

  layerDiskSize(diffId: string): Promise<number> {
    return this.#layers.diskSize(diffId);
  }

  async removeLayer(diffId: string): Promise<void> {
    this.#layers.remove(diffId);
  }

  async verifyLayer(diffId: string): Promise<void> {
    await this.#layers.verify?.(diffId);
  }

  layerTar(diffId: string): ReadableStream<Uint8Array> {
    return this.#layers.tar(diffId);
  }

  async prepare(key: string, layers: readonly string[]): Promise<void> {
    if (!KEY.test(key)) throw new TareError('invalid', `invalid snapshot key ${JSON.stringify(key)}`);
    const top = this.#lowers(layers)[0];
    const final = `${this.#snapshots}/${key}`;
    const draft = this.#trash.draft();
    try {
      mkdirSync(draft, { mode: 0o700 });
      mkdirSync(`${draft}/u`, { mode: 0o755 });
      mkdirSync(`${draft}/w`, { mode: 0o700 });
      if (top !== undefined) copyOwnership(top, `${draft}/u`);
      writeFileSync(`${draft}/layers.json`, JSON.stringify(layers), { mode: 0o600 });
      renameSync(draft, final);
    } catch (error) {
      this.#trash.delete(draft);
      const code = codeOf(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') {
        throw new TareError('conflict', `the snapshot ${key} exists already`);
      }
      throw fromNodeError(error, `cannot make the snapshot ${key}`);
    }
    this.#chains.set(key, layers);
    this.#layers.hold(layers);
  }

  /**
   * Trees of the layers that count, topmost first. Of a layer that comes several times (the empty one often does) the
   * topmost counts: it shows and hides all that the others do, and the kernel takes no tree twice (ELOOP). Throws
   * `not-found` for a missing layer.
   */
  #lowers(layers: readonly string[]): string[] {
    const lowers: string[] = [];
    for (const diffId of new Set(layers.toReversed())) {
      const { path, opaqueRoot } = this.#layers.tree(diffId);
      lowers.push(path);
      if (opaqueRoot) break;
    }
    return lowers;
  }

  #chainOf(key: string): readonly string[] {
    const known = this.#chains.get(key);
    if (known !== undefined) return known;
    try {
      const text = readFileSync(`${this.#snapshots}/${key}/layers.json`, 'utf8');
      // Written by prepare before the snapshot became visible.
      const layers = JSON.parse(text) as string[];
      this.#chains.set(key, layers);
      return layers;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw new TareError('not-found', `no such snapshot: ${key}`);
      throw fromNodeError(error, `cannot read the snapshot ${key}`);
    }
  }

  limit(key: string, bytes: number): boolean {
    const directory = (of: string): string => `${this.#snapshots}/${of}/u`;
    const others = readdirSync(this.#snapshots).map((other) => projectOrNone(directory(other)));
    const id = Math.max(FIRST_PROJECT - 1, ...others.filter((project) => project >= FIRST_PROJECT)) + 1;
    // Files are made in the work directory and moved: both are of one project (rename(2), EXDEV).
    return (
      limitDirectory(`${this.#snapshots}/${key}/w`, id, bytes) && limitDirectory(directory(key), id, bytes)
    );
  }

  mounts(key: string): MountSpec[] {
    const lowers = this.#lowers(this.#chainOf(key));
    const directory = `${this.#snapshots}/${key}`;
    const lowerdir = (lowers.length > 0 ? lowers : [this.#empty]).join(':');
    return [overlay([`lowerdir=${lowerdir}`, `upperdir=${directory}/u`, `workdir=${directory}/w`])];
  }

  viewMounts(layers: readonly string[]): MountSpec[] {
    // Without an upper directory overlayfs wants two lower ones; the last is only there for that.
    const lowers = [...this.#lowers(layers), this.#empty];
    if (lowers.length === 1) lowers.push(this.#otherEmpty);
    return [overlay(['ro', `lowerdir=${lowers.join(':')}`])];
  }

  secondLook(key: string): MountSpec[] {
    // As a lower directory, the upper one may be in use elsewhere; without the index the kernel only warns.
    const lowers = [`${this.#snapshots}/${key}/u`, ...this.#lowers(this.#chainOf(key))];
    if (lowers.length === 1) lowers.push(this.#empty);
    return [overlay(['ro', `lowerdir=${lowers.join(':')}`])];
  }

  has(key: string): boolean {
    try {
      this.#chainOf(key);
      return true;
    } catch {
      return false;
    }
  }

  listSnapshots(): string[] {
    return readdirSync(this.#snapshots).sort();
  }

  layersInUse(): Set<string> {
    return new Set([...this.#chains.values()].flat());
  }

  async remove(key: string): Promise<void> {
    if (!KEY.test(key)) return;
    const chain = this.#chains.get(key);
    this.#chains.delete(key);
    this.#trash.discard(`${this.#snapshots}/${key}`);
    if (chain !== undefined) this.#layers.release(chain);
  }

  // The snapshot itself holds its layers while these look at them.

  changes(key: string, hidden: readonly string[] = []): Promise<Change[]> {
    const lowers = this.#lowers(this.#chainOf(key));
    return snapshotChanges(`${this.#snapshots}/${key}/u`, lowers, hidden);
  }

  diff(key: string, hidden: readonly string[] = []): ReadableStream<Uint8Array> {
    const lowers = this.#lowers(this.#chainOf(key));
    return snapshotDiff(`${this.#snapshots}/${key}/u`, lowers, hidden);
  }

  usage(key: string): Promise<Usage> {
    this.#chainOf(key);
    return treeUsage(`${this.#snapshots}/${key}/u`);
  }

  async sweep(): Promise<void> {
    this.#trash.empty();
    this.#layers.sweep();
  }

  async close(): Promise<void> {
    await this.#trash.settled();
    await this.#layers.close();
  }
}

/** A snapshot that is just being removed has none, nor has one on a file system without projects. */
function projectOrNone(directory: string): number {
  try {
    return projectOf(directory);
  } catch {
    return 0;
  }
}

function overlay(options: readonly string[]): MountSpec {
  return { type: 'overlay', source: 'overlay', target: '', options: [...options, ...FIXED_OPTIONS] };
}

/** overlayfs shows the upper directory's owner and mode as those of the root. */
function copyOwnership(from: string, to: string): void {
  const { mode, uid, gid } = statSync(from);
  if (uid !== 0 || gid !== 0) chownSync(to, uid, gid);
  if ((mode & 0o7777) !== 0o755) chmodSync(to, mode & 0o7777);
}
