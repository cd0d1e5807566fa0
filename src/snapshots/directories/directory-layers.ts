import type { Logger } from '../../base/log.ts';
import { diskBytes } from '../apply/disk-bytes.ts';
import { EntryStore, infoOf } from '../apply/entry-store.ts';
import type { LayerStore, LayerTree } from '../layers.ts';
import type { LayerInfo, LayerSource } from '../snapshots.ts';
import type { DirectoryMeta } from './directory-job.ts';
import { rebuildTar } from './rebuild-tar.ts';

/**
 * Layers as extracted directories, on every file system that overlayfs takes. Trees lie in `l/SHORT`: short, for
 * mount(2) takes one page of options. An entry holds `structure` and `shadow/`, from which the tar is put together
 * again (docs/adr/0003).
 */
export class DirectoryLayers implements LayerStore {
  readonly #entries: EntryStore<DirectoryMeta>;

  constructor(root: string, logger?: Logger) {
    this.#entries = new EntryStore('directory', root, 'l', logger);
  }

  apply(diffId: string | undefined, source: LayerSource): Promise<LayerInfo> {
    return this.#entries.apply(diffId, source);
  }

  info(diffId: string): LayerInfo | undefined {
    const meta = this.#entries.find(diffId);
    return meta && infoOf(meta);
  }

  list(): LayerInfo[] {
    return [...this.#entries.all()].map(infoOf);
  }

  async diskSize(diffId: string): Promise<number> {
    const meta = this.#entries.find(diffId);
    if (meta === undefined) return 0;
    const entry = await diskBytes(this.#entries.entryPath(meta));
    return entry + (await diskBytes(this.#entries.treePath(meta.short)));
  }

  remove(diffId: string): void {
    this.#entries.remove(diffId);
  }

  tar(diffId: string): ReadableStream<Uint8Array> {
    const meta = this.#entries.get(diffId);
    return rebuildTar(meta, this.#entries.entryPath(meta), this.#entries.treePath(meta.short));
  }

  tree(diffId: string): LayerTree {
    const { short, opaqueRoot } = this.#entries.get(diffId);
    return { path: this.#entries.treePath(short), opaqueRoot };
  }

  // A directory is there whether anybody uses it or not.
  hold(): void {}
  release(): void {}

  sweep(): void {
    this.#entries.sweep();
  }

  close(): Promise<void> {
    return this.#entries.close();
  }
}
