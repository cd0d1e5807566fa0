import { TareError } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { streamOf } from '../../base/streams.ts';
import { Errno, fromNodeError, SyscallError } from '../../kernel/errno.ts';
import { filePieces } from '../../kernel/file-pieces.ts';
import { diskBytes } from '../apply/disk-bytes.ts';
import { EntryStore, infoOf } from '../apply/entry-store.ts';
import type { LayerMeta } from '../apply/layer-job.ts';
import type { LayerStore, LayerTree } from '../layers.ts';
import type { LayerInfo, LayerSource } from '../snapshots.ts';
import { LayerMounts } from './layer-mounts.ts';
import { verifyIndex } from './verify-index.ts';

/**
 * Layers as their own tars with an EROFS index over each: nothing is unpacked, and the tar is there as it came. An
 * entry holds `tar` and `index`; `m/SHORT` is where it is mounted (docs/adr/0010).
 */
export class ErofsLayers implements LayerStore {
  readonly #entries: EntryStore<LayerMeta>;
  readonly #mounts: LayerMounts;

  constructor(root: string, logger: Logger = silentLogger) {
    this.#entries = new EntryStore('erofs', root, 'm', logger);
    this.#mounts = new LayerMounts(`${root}/m`, logger);
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
    return meta === undefined ? 0 : await diskBytes(this.#entries.entryPath(meta));
  }

  remove(diffId: string): void {
    const meta = this.#entries.find(diffId);
    if (meta !== undefined) this.#mounts.drop(meta.short);
    this.#entries.remove(diffId);
  }

  tar(diffId: string): ReadableStream<Uint8Array> {
    const meta = this.#entries.get(diffId);
    return streamOf(tarPieces(`${this.#entries.entryPath(meta)}/tar`, meta));
  }

  async verify(diffId: string): Promise<void> {
    const entry = this.#entries.entryPath(this.#entries.get(diffId));
    await verifyIndex({ diffId, index: `${entry}/index`, tar: `${entry}/tar` });
  }

  tree(diffId: string): LayerTree {
    const meta = this.#entries.get(diffId);
    const entry = this.#entries.entryPath(meta);
    try {
      const path = this.#mounts.ensure(meta.short, `${entry}/index`, `${entry}/tar`);
      return { path, opaqueRoot: meta.opaqueRoot };
    } catch (error) {
      const isDamage = error instanceof SyscallError && [Errno.EINVAL, EUCLEAN].includes(error.errno);
      throw isDamage ? damaged(diffId, error.message) : fromNodeError(error, 'cannot mount a layer');
    }
  }

  hold(diffIds: readonly string[]): void {
    for (const diffId of diffIds) this.#count(diffId, (short) => this.#mounts.hold(short));
  }

  release(diffIds: readonly string[]): void {
    for (const diffId of diffIds) this.#count(diffId, (short) => this.#mounts.release(short));
  }

  #count(diffId: string, change: (short: string) => void): void {
    const meta = this.#entries.find(diffId);
    if (meta !== undefined) change(meta.short);
  }

  sweep(): void {
    this.#mounts.retain(new Set([...this.#entries.all()].map((meta) => meta.short)));
    this.#entries.sweep();
  }

  async close(): Promise<void> {
    this.#mounts.close();
    await this.#entries.close();
  }
}

/** "Structure needs cleaning": what file systems say of damaged metadata (EFSCORRUPTED). */
const EUCLEAN = 117;

function damaged(diffId: string, reason: string): TareError {
  return new TareError(
    'corrupt',
    `the layer ${diffId} was changed on disk (${reason}): remove its images and pull them again`,
  );
}

/** The tar's bytes, and a complaint when they are not as many as were stored. */
async function* tarPieces(path: string, meta: LayerMeta): AsyncGenerator<Uint8Array> {
  let total = 0;
  try {
    for await (const piece of filePieces(path)) {
      total += piece.byteLength;
      yield piece;
    }
  } catch (error) {
    throw fromNodeError(error, `cannot read the layer ${meta.diffId}`);
  }
  if (total !== meta.tarSize) {
    throw damaged(meta.diffId, `its tar has ${total} bytes, but ${meta.tarSize} were stored`);
  }
}
