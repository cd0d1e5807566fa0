import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { TarParser } from '../../archive/tar-parser.ts';
import { startWriteOut } from '../../kernel/files.ts';
import { LayerDigest } from '../apply/layer-digest.ts';
import { entryExists, publishEntry, syncDirectory } from '../apply/layer-entry.ts';
import type { LayerJob, LayerJobRequest, LayerJobResult, LayerMeta } from '../apply/layer-job.ts';
import { IndexWriter } from './index-writer.ts';
import { LayerTree } from './layer-tree.ts';
import { SparseBlocks } from './sparse.ts';

/** After so many bytes their way to the disk is started, so that the final sync has little left to do. */
const WRITE_OUT = 8 * 1024 * 1024;

/** Writes one layer's tar as it is and an EROFS index over it, in one pass. */
export class ErofsJob implements LayerJob {
  readonly #request: LayerJobRequest;
  readonly #digest: LayerDigest;
  readonly #tar: number;
  readonly #index: number;
  readonly #blocks: SparseBlocks;
  readonly #tree: LayerTree;
  readonly #parser: TarParser;
  #started = 0;

  constructor(request: LayerJobRequest) {
    this.#request = request;
    this.#digest = new LayerDigest(request.diffId);
    mkdirSync(request.ingest, { mode: 0o700 });
    this.#tar = openSync(`${request.ingest}/tar`, 'wx', 0o600);
    this.#index = openSync(`${request.ingest}/index`, 'wx', 0o600);
    this.#blocks = new SparseBlocks(this.#index);
    this.#tree = new LayerTree(this.#blocks);
    this.#parser = new TarParser(this.#tree);
  }

  push(chunk: Uint8Array): void {
    this.#digest.update(chunk);
    for (let at = 0; at < chunk.byteLength; ) at += writeSync(this.#tar, chunk, at);
    this.#parser.push(chunk);
    if (this.#digest.bytes - this.#started < WRITE_OUT) return;
    startWriteOut(this.#tar, this.#started, this.#digest.bytes - this.#started);
    this.#started = this.#digest.bytes;
  }

  finish(): LayerJobResult {
    const { ingest, layers, short } = this.#request;
    this.#parser.end();
    const diffId = this.#digest.finish();
    const tree = this.#tree;
    const tarSize = this.#digest.bytes;
    const meta: LayerMeta = { diffId, short, size: tree.size, tarSize, opaqueRoot: tree.opaqueRoot };
    if (!entryExists(layers, diffId)) {
      const uuid = Buffer.from(diffId.slice(diffId.indexOf(':') + 1), 'hex');
      const start = this.#blocks.flush();
      const writer = new IndexWriter(this.#index, start, (name) => tree.lose(name, ''));
      writer.write(tree.root, uuid, tarSize);
      fdatasyncSync(this.#tar);
      writeDurably(`${ingest}/meta.json`, JSON.stringify(meta));
      syncDirectory(ingest);
    }
    this.#close();
    const lostXattrs = [...tree.lostXattrs].slice(0, 20);
    const stored = !entryExists(layers, diffId) && publishEntry(ingest, layers, diffId);
    return { meta, stored, lostXattrs };
  }

  #close(): void {
    closeSync(this.#tar);
    closeSync(this.#index);
  }

  abandon(): void {
    try {
      this.#close();
    } catch {
      // Closed by finish already.
    }
  }
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
