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
import { availableParallelism } from 'node:os';
import { TareError } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import type { Change, LayerInfo, MountSpec, Snapshotter, Usage } from '../snapshots.ts';
import { snapshotChanges } from './changes.ts';
import { snapshotDiff } from './diff.ts';
import { ExtractPool } from './extract-pool.ts';
import { type LayerMeta, type Layout, layerName, layoutOf, randomName } from './layout.ts';
import { rebuildTar } from './rebuild-tar.ts';
import { Trash } from './trash.ts';
import { treeUsage } from './usage.ts';

/**
 * Pinned so that the host's module parameters do not matter: without redirects and metacopy an upper directory
 * alone tells what changed; without the index a snapshot can be mounted again after a crash.
 */
const FIXED_OPTIONS = ['index=off', 'redirect_dir=off', 'metacopy=off'] as const;

const KEY = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * Snapshots on overlayfs over extracted directories; works on every file system that overlayfs takes as upper
 * directory. Layout in layout.ts. One instance per root; the daemon's lock sees to that.
 */
export class OverlaySnapshotter implements Snapshotter {
  readonly name = 'overlay';
  readonly #layout: Layout;
  readonly #logger: Logger;
  readonly #layers = new Map<string, LayerMeta>();
  readonly #chains = new Map<string, readonly string[]>();
  readonly #pool = new ExtractPool(Math.max(1, Math.min(4, availableParallelism())));
  readonly #applying = new KeyedMutex();
  readonly #trash: Trash;
  /** Trees and entries that are being made: sweep leaves them alone. */
  readonly #busy = new Set<string>();

  /** `root` is made if missing and belongs to this instance alone. */
  constructor(root: string, logger: Logger = silentLogger) {
    this.#layout = layoutOf(root);
    this.#logger = logger;
    this.#trash = new Trash(this.#layout.trash, logger);
    for (const directory of Object.values(this.#layout)) {
      mkdirSync(directory, {
        recursive: true,
        mode: directory.startsWith(this.#layout.empty) ? 0o755 : 0o700,
      });
    }
    for (const name of readdirSync(this.#layout.layers)) {
      const meta = this.#readMeta(name);
      if (meta !== undefined) this.#layers.set(meta.diffId, meta);
    }
  }

  #readMeta(name: string): LayerMeta | undefined {
    try {
      // Written by us as a whole before the entry became visible.
      const meta = JSON.parse(readFileSync(`${this.#layout.layers}/${name}/meta.json`, 'utf8')) as LayerMeta;
      return layerName(meta.diffId) === name ? meta : undefined;
    } catch (error) {
      this.#logger.warn('a layer without readable facts is ignored', { layer: name, error });
      return undefined;
    }
  }

  async applyLayer(diffId: string | undefined, tar: ReadableStream<Uint8Array>): Promise<LayerInfo> {
    return this.#applying.run(diffId ?? randomName(16), async () => {
      const known = diffId === undefined ? undefined : this.layer(diffId);
      if (known !== undefined) {
        await tar.cancel().catch(() => {});
        return known;
      }
      return this.#extract(diffId, tar);
    });
  }

  async #extract(diffId: string | undefined, tar: ReadableStream<Uint8Array>): Promise<LayerInfo> {
    const short = randomName(6);
    const tree = `${this.#layout.trees}/${short}`;
    const ingest = `${this.#layout.ingests}/${short}`;
    this.#busy.add(short);
    let stored = false;
    try {
      const request = { tree, short, ingest, layers: this.#layout.layers, diffId };
      const result = await this.#pool.run(request, tar);
      stored = result.stored;
      if (result.lostXattrs.length > 0) {
        this.#logger.warn('extended attributes could not be set', { attributes: result.lostXattrs });
      }
      if (stored) this.#layers.set(result.meta.diffId, result.meta);
      return infoOf(this.#layers.get(result.meta.diffId) ?? result.meta);
    } catch (error) {
      throw fromNodeError(error, 'cannot store the layer');
    } finally {
      if (!stored) {
        this.#trash.discard(tree);
        this.#trash.discard(ingest);
      }
      this.#busy.delete(short);
    }
  }

  hasLayer(diffId: string): boolean {
    return this.#layers.has(diffId);
  }

  layer(diffId: string): LayerInfo | undefined {
    const meta = this.#layers.get(diffId);
    return meta === undefined ? undefined : infoOf(meta);
  }

  listLayers(): LayerInfo[] {
    return [...this.#layers.values()].map(infoOf);
  }

  async removeLayer(diffId: string): Promise<void> {
    const meta = this.#layers.get(diffId);
    if (meta === undefined) return;
    this.#layers.delete(diffId);
    // The entry goes first: a tree without an entry is swept, an entry without its tree would be a lie.
    this.#trash.discard(`${this.#layout.layers}/${layerName(diffId)}`);
    this.#trash.discard(`${this.#layout.trees}/${meta.short}`);
  }

  layerTar(diffId: string): ReadableStream<Uint8Array> {
    const meta = this.#meta(diffId);
    return rebuildTar(meta, `${this.#layout.layers}/${layerName(diffId)}`, this.#tree(meta));
  }

  #meta(diffId: string): LayerMeta {
    const meta = this.#layers.get(diffId);
    if (meta === undefined) throw new TareError('not-found', `no such layer: ${diffId}`);
    return meta;
  }

  #tree(meta: LayerMeta): string {
    return `${this.#layout.trees}/${meta.short}`;
  }

  async prepare(key: string, layers: readonly string[]): Promise<void> {
    if (!KEY.test(key)) throw new TareError('invalid', `invalid snapshot key ${JSON.stringify(key)}`);
    const top = this.#lowers(layers)[0];
    const final = `${this.#layout.snapshots}/${key}`;
    const draft = `${this.#layout.trash}/${randomName(16)}`;
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
  }

  /** Trees of the layers that count, topmost first. Throws `not-found` for a missing layer. */
  #lowers(layers: readonly string[]): string[] {
    const lowers: string[] = [];
    for (const diffId of layers.toReversed()) {
      const meta = this.#meta(diffId);
      lowers.push(this.#tree(meta));
      if (meta.opaqueRoot) break;
    }
    return lowers;
  }

  #chainOf(key: string): readonly string[] {
    const known = this.#chains.get(key);
    if (known !== undefined) return known;
    try {
      const text = readFileSync(`${this.#layout.snapshots}/${key}/layers.json`, 'utf8');
      // Written by prepare before the snapshot became visible.
      const layers = JSON.parse(text) as string[];
      this.#chains.set(key, layers);
      return layers;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw new TareError('not-found', `no such snapshot: ${key}`);
      throw fromNodeError(error, `cannot read the snapshot ${key}`);
    }
  }

  mounts(key: string): MountSpec[] {
    const lowers = this.#lowers(this.#chainOf(key));
    const directory = `${this.#layout.snapshots}/${key}`;
    const lowerdir = (lowers.length > 0 ? lowers : [this.#layout.empty]).join(':');
    return [
      {
        type: 'overlay',
        source: 'overlay',
        target: '',
        options: [
          `lowerdir=${lowerdir}`,
          `upperdir=${directory}/u`,
          `workdir=${directory}/w`,
          ...FIXED_OPTIONS,
        ],
      },
    ];
  }

  viewMounts(layers: readonly string[]): MountSpec[] {
    // Without an upper directory overlayfs wants two lower ones; the last is only there for that.
    const lowers = [...this.#lowers(layers), this.#layout.empty];
    if (lowers.length === 1) lowers.push(this.#layout.otherEmpty);
    return [
      {
        type: 'overlay',
        source: 'overlay',
        target: '',
        options: ['ro', `lowerdir=${lowers.join(':')}`, ...FIXED_OPTIONS],
      },
    ];
  }

  secondLook(key: string): MountSpec[] {
    // As a lower directory, the upper one may be in use elsewhere; without the index the kernel only warns.
    const lowers = [`${this.#layout.snapshots}/${key}/u`, ...this.#lowers(this.#chainOf(key))];
    if (lowers.length === 1) lowers.push(this.#layout.empty);
    return [
      {
        type: 'overlay',
        source: 'overlay',
        target: '',
        options: ['ro', `lowerdir=${lowers.join(':')}`, ...FIXED_OPTIONS],
      },
    ];
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
    return readdirSync(this.#layout.snapshots).sort();
  }

  layersInUse(): Set<string> {
    const used = new Set<string>();
    for (const key of this.listSnapshots()) {
      try {
        for (const diffId of this.#chainOf(key)) used.add(diffId);
      } catch (error) {
        // A snapshot that cannot be mounted any more needs no layers.
        this.#logger.warn('a snapshot without readable layers is ignored', { snapshot: key, error });
      }
    }
    return used;
  }

  async remove(key: string): Promise<void> {
    this.#chains.delete(key);
    if (!KEY.test(key)) return;
    this.#trash.discard(`${this.#layout.snapshots}/${key}`);
  }

  changes(key: string, hidden: readonly string[] = []): Promise<Change[]> {
    const lowers = this.#lowers(this.#chainOf(key));
    return snapshotChanges(`${this.#layout.snapshots}/${key}/u`, lowers, hidden);
  }

  diff(key: string, hidden: readonly string[] = []): ReadableStream<Uint8Array> {
    const lowers = this.#lowers(this.#chainOf(key));
    return snapshotDiff(`${this.#layout.snapshots}/${key}/u`, lowers, hidden);
  }

  usage(key: string): Promise<Usage> {
    this.#chainOf(key);
    return treeUsage(`${this.#layout.snapshots}/${key}/u`);
  }

  async sweep(): Promise<void> {
    const { trees, layers, ingests, trash } = this.#layout;
    const used = new Set([...this.#layers.values()].map((meta) => meta.short));
    for (const name of readdirSync(trash)) this.#trash.delete(`${trash}/${name}`);
    for (const name of readdirSync(trees)) {
      if (!used.has(name) && !this.#busy.has(name)) this.#trash.discard(`${trees}/${name}`);
    }
    for (const name of readdirSync(ingests)) {
      if (!this.#busy.has(name)) this.#trash.discard(`${ingests}/${name}`);
    }
    // A layer that is being made is there before this instance knows it.
    if (this.#busy.size > 0) return;
    const entries = new Set([...this.#layers.keys()].map(layerName));
    for (const name of readdirSync(layers)) {
      if (!entries.has(name)) this.#trash.discard(`${layers}/${name}`);
    }
  }

  /** Waits for deletions in the background and ends the Workers. */
  async close(): Promise<void> {
    await this.#trash.settled();
    this.#pool.close();
  }
}

function infoOf(meta: LayerMeta): LayerInfo {
  return { diffId: meta.diffId, size: meta.size, tarSize: meta.tarSize };
}

/** overlayfs shows the upper directory's owner and mode as those of the root. */
function copyOwnership(from: string, to: string): void {
  const { mode, uid, gid } = statSync(from);
  if (uid !== 0 || gid !== 0) chownSync(to, uid, gid);
  if ((mode & 0o7777) !== 0o755) chmodSync(to, mode & 0o7777);
}
