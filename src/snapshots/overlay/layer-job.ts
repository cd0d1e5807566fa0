import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { toByteString } from '../../archive/byte-string.ts';
import { TarParser } from '../../archive/tar-parser.ts';
import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { AT_FDCWD, closeFile, OpenFlag, openAt, syncFileSystem } from '../../kernel/files.ts';
import { LayerWriter } from './layer-writer.ts';
import { type LayerMeta, layerName } from './layout.ts';
import { StructureWriter } from './structure.ts';

/** What a layer job needs to know. */
export interface LayerJobRequest {
  /** Empty directory for the tree. */
  readonly tree: string;
  readonly short: string;
  /** Directory that becomes the layer's entry when everything is durable; does not exist yet. */
  readonly ingest: string;
  /** Directory of finished layers. */
  readonly layers: string;
  readonly diffId: string | undefined;
}

export interface LayerJobResult {
  readonly meta: LayerMeta;
  /** False when the same layer was there already; then tree and ingest are left to be removed. */
  readonly stored: boolean;
  readonly lostXattrs: readonly string[];
}

/** Extracts one layer: bytes by `push`, then `finish`. Synchronous and slow: for the Worker. */
export class LayerJob {
  readonly #request: LayerJobRequest;
  readonly #hash: ReturnType<typeof createHash>;
  readonly #structure: StructureWriter;
  readonly #writer: LayerWriter;
  readonly #parser: TarParser;
  #bytes = 0;

  constructor(request: LayerJobRequest) {
    this.#request = request;
    this.#hash = createHash(request.diffId?.startsWith('sha512:') ? 'sha512' : 'sha256');
    mkdirSync(request.tree, { mode: 0o755 });
    mkdirSync(`${request.ingest}/shadow`, { recursive: true, mode: 0o700 });
    this.#structure = new StructureWriter(`${request.ingest}/structure`);
    this.#writer = new LayerWriter(request.tree, `${request.ingest}/shadow`, this.#structure);
    this.#parser = new TarParser(this.#writer);
  }

  push(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.byteLength;
    this.#parser.push(chunk);
  }

  /** Checks the digest, makes everything durable and then visible. */
  finish(): LayerJobResult {
    const { diffId: expected, tree, ingest, layers, short } = this.#request;
    this.#parser.end();
    this.#writer.finish();
    this.#structure.finish();
    const algorithm = expected?.startsWith('sha512:') ? 'sha512' : 'sha256';
    const diffId = `${algorithm}:${this.#hash.digest('hex')}`;
    if (expected !== undefined && diffId !== expected) {
      throw new TareError('corrupt', `the layer's digest is ${diffId}, but ${expected} was promised`);
    }
    const meta: LayerMeta = {
      diffId,
      short,
      size: this.#writer.size,
      tarSize: this.#bytes,
      shadows: this.#writer.shadows,
      opaqueRoot: this.#writer.opaqueRoot,
    };
    const target = `${layers}/${layerName(diffId)}`;
    const lostXattrs = [...this.#writer.lostXattrs].slice(0, 20);
    if (existsSync(target)) return { meta, stored: false, lostXattrs };
    writeFileSync(`${ingest}/meta.json`, JSON.stringify(meta), { mode: 0o600 });
    const fd = openAt(AT_FDCWD, toByteString(tree), OpenFlag.RDONLY | OpenFlag.DIRECTORY);
    try {
      syncFileSystem(fd, tree);
    } finally {
      closeFile(fd);
    }
    return { meta, stored: this.#publish(target), lostXattrs };
  }

  #publish(target: string): boolean {
    try {
      renameSync(this.#request.ingest, target);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      throw error;
    }
    const directory = openSync(this.#request.layers, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
    return true;
  }

  /** Lets go of descriptors after an error. The files stay, for the caller to remove. */
  abandon(): void {
    this.#writer.abandon();
    try {
      this.#structure.abandon();
    } catch {
      // Closed by finish already.
    }
  }
}
