import { mkdirSync, writeFileSync } from 'node:fs';
import { toByteString } from '../../archive/byte-string.ts';
import { TarParser } from '../../archive/tar-parser.ts';
import { AT_FDCWD, closeFile, OpenFlag, openAt, syncFileSystem } from '../../kernel/files.ts';
import { LayerDigest } from '../apply/layer-digest.ts';
import { entryExists, publishEntry } from '../apply/layer-entry.ts';
import type { LayerJob, LayerJobRequest, LayerJobResult, LayerMeta } from '../apply/layer-job.ts';
import { StructureWriter } from './structure.ts';
import { type Shadow, TreeWriter } from './tree-writer.ts';

/** Facts of a layer that is kept as a directory. */
export interface DirectoryMeta extends LayerMeta {
  readonly shadows: readonly Shadow[];
}

/** Extracts one layer into a directory. */
export class DirectoryJob implements LayerJob {
  readonly #request: LayerJobRequest;
  readonly #digest: LayerDigest;
  readonly #structure: StructureWriter;
  readonly #writer: TreeWriter;
  readonly #parser: TarParser;

  constructor(request: LayerJobRequest) {
    this.#request = request;
    this.#digest = new LayerDigest(request.diffId);
    mkdirSync(request.tree, { mode: 0o755 });
    mkdirSync(`${request.ingest}/shadow`, { recursive: true, mode: 0o700 });
    this.#structure = new StructureWriter(`${request.ingest}/structure`);
    this.#writer = new TreeWriter(request.tree, `${request.ingest}/shadow`, this.#structure);
    this.#parser = new TarParser(this.#writer);
  }

  push(chunk: Uint8Array): void {
    this.#digest.update(chunk);
    this.#parser.push(chunk);
  }

  finish(): LayerJobResult {
    const { tree, ingest, layers, short } = this.#request;
    this.#parser.end();
    this.#writer.finish();
    this.#structure.finish();
    const diffId = this.#digest.finish();
    const meta: DirectoryMeta = {
      diffId,
      short,
      size: this.#writer.size,
      tarSize: this.#digest.bytes,
      shadows: this.#writer.shadows,
      opaqueRoot: this.#writer.opaqueRoot,
    };
    const lostXattrs = [...this.#writer.lostXattrs].slice(0, 20);
    if (entryExists(layers, diffId)) return { meta, stored: false, lostXattrs };
    writeFileSync(`${ingest}/meta.json`, JSON.stringify(meta), { mode: 0o600 });
    const fd = openAt(AT_FDCWD, toByteString(tree), OpenFlag.RDONLY | OpenFlag.DIRECTORY);
    try {
      syncFileSystem(fd, tree);
    } finally {
      closeFile(fd);
    }
    return { meta, stored: publishEntry(ingest, layers, diffId), lostXattrs };
  }

  abandon(): void {
    this.#writer.abandon();
    try {
      this.#structure.abandon();
    } catch {
      // Closed by finish already.
    }
  }
}
