import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { TareError } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import { fromNodeError } from '../../kernel/errno.ts';
import type { LayerInfo, LayerSource } from '../snapshots.ts';
import { layerName, randomName } from './layer-entry.ts';
import type { LayerJobRequest, LayerMeta } from './layer-job.ts';
import { LayerPool } from './layer-pool.ts';
import { Trash } from './trash.ts';

/**
 * The entries of layers below `root`, whatever an entry holds besides its `meta.json`:
 *
 *   layers/NAME    a layer's entry; the layer exists when this does
 *   ingest/SHORT   an entry that is being made
 *   trees/SHORT    a layer's tree, or where it is mounted: `l` for directories, `m` for mounts
 *   trash/ID       what is being deleted
 */
export class EntryStore<Meta extends LayerMeta> {
  readonly #kind: LayerJobRequest['kind'];
  readonly #layers: string;
  readonly #ingests: string;
  readonly #trees: string;
  readonly #logger: Logger;
  readonly #known = new Map<string, Meta>();
  readonly #pool = new LayerPool(Math.max(1, Math.min(4, availableParallelism())));
  readonly #applying = new KeyedMutex();
  readonly #trash: Trash;
  /** Short names of what is being made: sweep leaves it alone. */
  readonly #busy = new Set<string>();

  /** `root` is made if missing; `trees` is the name of the directory of trees. */
  constructor(kind: LayerJobRequest['kind'], root: string, trees: string, logger: Logger = silentLogger) {
    if (/[,:\\]/.test(root)) {
      throw new TareError('invalid', `the data root ${root} must not contain a comma, colon or backslash`);
    }
    this.#kind = kind;
    this.#logger = logger;
    this.#layers = `${root}/layers`;
    this.#ingests = `${root}/ingest`;
    this.#trees = `${root}/${trees}`;
    const trash = `${root}/trash`;
    for (const directory of [this.#layers, this.#ingests, this.#trees, trash]) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    this.#trash = new Trash(trash, logger);
    for (const name of readdirSync(this.#layers)) {
      const meta = this.#readMeta(name);
      if (meta !== undefined) this.#known.set(meta.diffId, meta);
    }
  }

  #readMeta(name: string): Meta | undefined {
    try {
      // Written by us as a whole before the entry became visible.
      const meta = JSON.parse(readFileSync(`${this.#layers}/${name}/meta.json`, 'utf8')) as Meta;
      return layerName(meta.diffId) === name ? meta : undefined;
    } catch (error) {
      this.#logger.warn('a layer without readable facts is ignored', { layer: name, error });
      return undefined;
    }
  }

  apply(diffId: string | undefined, source: LayerSource): Promise<LayerInfo> {
    return this.#applying.run(diffId ?? randomName(16), async () => {
      const known = diffId === undefined ? undefined : this.#known.get(diffId);
      if (known === undefined) return this.#make(diffId, source);
      const stream =
        source instanceof ReadableStream ? source : 'packed' in source ? source.packed : undefined;
      if (stream instanceof ReadableStream) await stream.cancel().catch(() => {});
      return infoOf(known);
    });
  }

  async #make(diffId: string | undefined, source: LayerSource): Promise<LayerInfo> {
    const short = randomName(6);
    const tree = this.treePath(short);
    const ingest = `${this.#ingests}/${short}`;
    this.#busy.add(short);
    let stored = false;
    try {
      const request = { kind: this.#kind, tree, short, ingest, layers: this.#layers, diffId };
      const result = await this.#pool.run(request, source);
      stored = result.stored;
      if (result.lostXattrs.length > 0) {
        this.#logger.warn('extended attributes could not be kept', { attributes: result.lostXattrs });
      }
      // The job of this kind wrote this kind's facts.
      if (stored) this.#known.set(result.meta.diffId, result.meta as Meta);
      else this.#learn(result.meta.diffId);
      return infoOf(this.#known.get(result.meta.diffId) ?? result.meta);
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

  /** Another was faster with the same layer, and its own result is still on the way. */
  #learn(diffId: string): void {
    if (this.#known.has(diffId)) return;
    const meta = this.#readMeta(layerName(diffId));
    if (meta !== undefined) this.#known.set(diffId, meta);
  }

  find(diffId: string): Meta | undefined {
    return this.#known.get(diffId);
  }

  /** Throws `not-found`. */
  get(diffId: string): Meta {
    const meta = this.#known.get(diffId);
    if (meta === undefined) throw new TareError('not-found', `no such layer: ${diffId}`);
    return meta;
  }

  all(): IterableIterator<Meta> {
    return this.#known.values();
  }

  entryPath(meta: LayerMeta): string {
    return `${this.#layers}/${layerName(meta.diffId)}`;
  }

  treePath(short: string): string {
    return `${this.#trees}/${short}`;
  }

  remove(diffId: string): void {
    const meta = this.#known.get(diffId);
    if (meta === undefined) return;
    this.#known.delete(diffId);
    // The entry goes first: a tree without an entry is swept, an entry without its tree would be a lie.
    this.#trash.discard(this.entryPath(meta));
    this.#trash.discard(this.treePath(meta.short));
  }

  sweep(): void {
    this.#trash.empty();
    const used = new Set([...this.#known.values()].map((meta) => meta.short));
    for (const name of readdirSync(this.#trees)) {
      if (!used.has(name) && !this.#busy.has(name)) this.#trash.discard(this.treePath(name));
    }
    for (const name of readdirSync(this.#ingests)) {
      if (!this.#busy.has(name)) this.#trash.discard(`${this.#ingests}/${name}`);
    }
    // A layer that is being made is there before this instance knows it.
    if (this.#busy.size > 0) return;
    const entries = new Set([...this.#known.keys()].map(layerName));
    for (const name of readdirSync(this.#layers)) {
      if (!entries.has(name)) this.#trash.discard(`${this.#layers}/${name}`);
    }
  }

  /** Waits for deletions in the background and ends the Workers. */
  async close(): Promise<void> {
    await this.#trash.settled();
    this.#pool.close();
  }
}

export function infoOf(meta: LayerMeta): LayerInfo {
  return { diffId: meta.diffId, size: meta.size, tarSize: meta.tarSize };
}
