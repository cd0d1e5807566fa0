import { BLOCK_GZIP_ENCODER, BLOCK_GZIP_LEVEL, type BlockGzip } from '../../archive/block-gzip.ts';
import { TareError } from '../../base/errors.ts';
import { sameBytes } from '../../base/same-bytes.ts';
import { streamOf } from '../../base/streams.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { createDigester, parseDigest } from '../../oci/digest.ts';
import { layerCompression, MEDIA_TYPES } from '../../oci/manifest.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { BlobRepositoryRow, LayerBlobRow } from '../../store/tables/layer-blobs.ts';
import type { CompressedLayer, LayerBlobs, LayerForm } from './layer-blobs.ts';

/** Where the rows are kept; store's LayerBlobTable, or a fake. */
export interface LayerBlobRows {
  apply(change: {
    readonly forms?: readonly LayerBlobRow[];
    readonly removed?: readonly string[];
    readonly seen?: readonly BlobRepositoryRow[];
  }): void;
  forms(): LayerBlobRow[];
  repositories(): BlobRepositoryRow[];
}

export interface LayerBlobParts {
  readonly rows: LayerBlobRows;
  readonly content: Pick<ContentStore, 'size' | 'stream'>;
  readonly snapshotter: Pick<Snapshotter, 'layer' | 'layerTar'>;
  readonly encoder: Pick<BlockGzip, 'encode'>;
}

/** The forms, in memory and as rows. */
export class LayerBlobStore implements LayerBlobs {
  readonly #parts: LayerBlobParts;
  readonly #rows = new Map<string, LayerBlobRow>();
  readonly #byLayer = new Map<string, Set<string>>();
  /** Digest to repository to when it was seen there. */
  readonly #seen = new Map<string, Map<string, number>>();

  constructor(parts: LayerBlobParts) {
    this.#parts = parts;
    for (const row of parts.rows.forms()) this.#index(row);
    for (const row of parts.rows.repositories()) this.#indexSeen(row);
  }

  forms(diffId: string): LayerForm[] {
    const digests = this.#byLayer.get(diffId) ?? [];
    const forms = [...digests].flatMap((digest) => this.#formOf(this.#rows.get(digest)) ?? []);
    return forms.sort((a, b) => rank(a) - rank(b));
  }

  find(digest: string): LayerForm | undefined {
    const row = this.#rows.get(digest);
    if (row !== undefined) return this.#formOf(row);
    const layer = this.#parts.snapshotter.layer(digest);
    if (layer === undefined) return undefined;
    const descriptor = { mediaType: MEDIA_TYPES.ociLayer, digest, size: layer.tarSize };
    return { diffId: digest, descriptor, from: 'layer' };
  }

  stream(digest: string, from = 0): ReadableStream<Uint8Array> {
    const { content, snapshotter } = this.#parts;
    const form = this.find(digest);
    if (form === undefined) throw new TareError('not-found', `no such blob: ${digest}`);
    if (form.from === 'content') return streamOf(skipped(content.stream(digest), from));
    const tar = snapshotter.layerTar(form.diffId);
    if (form.from === 'layer') return streamOf(skipped(tar, from));
    const level = this.#rows.get(digest)?.level ?? BLOCK_GZIP_LEVEL;
    return streamOf(skipped(this.#verified(tar, level, form.descriptor), from));
  }

  compress(diffId: string): CompressedLayer {
    const layer = this.#parts.snapshotter.layer(diffId);
    if (layer === undefined) throw missingLayer(diffId);
    const { promise: form, resolve, reject } = Promise.withResolvers<LayerForm>();
    form.catch(() => {});
    let current = 0;
    const tap = (length: number): void => {
      current += length;
    };
    const bytes = streamOf(this.#encoded(diffId, resolve, reject, tap));
    return { bytes, form, progress: () => ({ current, total: layer.tarSize }) };
  }

  async ensure(diffId: string): Promise<LayerForm> {
    const known = this.forms(diffId)[0];
    if (known !== undefined) return known;
    const { bytes, form } = this.compress(diffId);
    for await (const _ of bytes);
    return form;
  }

  async reproduces(digest: string): Promise<boolean> {
    const row = this.#rows.get(digest);
    if (row === undefined || layerCompression(row.mediaType) !== 'gzip') return false;
    if (row.encoder === BLOCK_GZIP_ENCODER) return true;
    const { content, snapshotter, encoder, rows } = this.#parts;
    const made = encoder.encode(snapshotter.layerTar(row.diffId));
    if (!(await sameBytes(content.stream(digest), made))) return false;
    const known = { ...row, encoder: BLOCK_GZIP_ENCODER, level: BLOCK_GZIP_LEVEL };
    rows.apply({ forms: [known] });
    this.#index(known);
    return true;
  }

  pulled(forms: readonly { readonly diffId: string; readonly descriptor: Descriptor }[]): void {
    const rows = forms.flatMap(({ diffId, descriptor: { digest, size, mediaType } }): LayerBlobRow[] =>
      // What a recipe makes needs no blob; a plain form is the layer itself.
      this.find(digest) === undefined && digest !== diffId
        ? [{ digest, diffId, size, mediaType, encoder: null, level: null }]
        : [],
    );
    if (rows.length > 0) this.#parts.rows.apply({ forms: rows });
    for (const row of rows) this.#index(row);
  }

  seenIn(repository: string, digests: readonly string[]): void {
    const seenAt = Date.now();
    const seen = digests.map((digest) => ({ digest, repository, seenAt }));
    if (seen.length > 0) this.#parts.rows.apply({ seen });
    for (const row of seen) this.#indexSeen(row);
  }

  repositoriesOf(digest: string): string[] {
    const seen = this.#seen.get(digest) ?? new Map<string, number>();
    return [...seen].sort(([, a], [, b]) => b - a).map(([repository]) => repository);
  }

  retain(isKept: (diffId: string) => boolean): void {
    const removed = [...this.#rows.values()]
      // Where a blob was seen is worth knowing without its bytes, too: it can be mounted.
      .filter(
        (row) => !isKept(row.diffId) || (this.#formOf(row) === undefined && !this.#seen.has(row.digest)),
      )
      .map(({ digest }) => digest);
    // What has been seen of plain layers has no row of a form.
    for (const digest of this.#seen.keys()) {
      if (!this.#rows.has(digest) && !isKept(digest)) removed.push(digest);
    }
    if (removed.length === 0) return;
    this.#parts.rows.apply({ removed });
    for (const digest of removed) {
      const diffId = this.#rows.get(digest)?.diffId ?? '';
      const siblings = this.#byLayer.get(diffId);
      siblings?.delete(digest);
      if (siblings?.size === 0) this.#byLayer.delete(diffId);
      this.#rows.delete(digest);
      this.#seen.delete(digest);
    }
  }

  #index(row: LayerBlobRow): void {
    this.#rows.set(row.digest, row);
    const digests = this.#byLayer.get(row.diffId) ?? new Set();
    this.#byLayer.set(row.diffId, digests.add(row.digest));
  }

  #indexSeen({ digest, repository, seenAt }: BlobRepositoryRow): void {
    const repositories = this.#seen.get(digest) ?? new Map<string, number>();
    this.#seen.set(digest, repositories.set(repository, seenAt));
  }

  #formOf(row: LayerBlobRow | undefined): LayerForm | undefined {
    if (row === undefined) return undefined;
    const { digest, diffId, size, mediaType } = row;
    const descriptor = { mediaType, digest, size };
    const { content, snapshotter } = this.#parts;
    if (content.size(digest) === size) return { diffId, descriptor, from: 'content' };
    const usable = row.encoder === BLOCK_GZIP_ENCODER && snapshotter.layer(diffId) !== undefined;
    return usable ? { diffId, descriptor, from: 'recipe' } : undefined;
  }

  async *#encoded(
    diffId: string,
    resolve: (form: LayerForm) => void,
    reject: (error: unknown) => void,
    tap: (length: number) => void,
  ): AsyncGenerator<Uint8Array> {
    const digester = createDigester('sha256');
    let size = 0;
    let ended = false;
    try {
      const tar = tapped(this.#parts.snapshotter.layerTar(diffId), tap);
      for await (const member of this.#parts.encoder.encode(tar)) {
        digester.update(member);
        size += member.byteLength;
        yield member;
      }
      ended = true;
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      if (!ended) reject(new TareError('cancelled', 'the compression was ended'));
    }
    const row = {
      digest: digester.digest(),
      diffId,
      size,
      mediaType: MEDIA_TYPES.dockerLayerGzip,
      encoder: BLOCK_GZIP_ENCODER,
      level: BLOCK_GZIP_LEVEL,
    };
    this.#parts.rows.apply({ forms: [row] });
    this.#index(row);
    const descriptor = { mediaType: row.mediaType, digest: row.digest, size };
    resolve({ diffId, descriptor, from: 'recipe' });
  }

  async *#verified(
    tar: AsyncIterable<Uint8Array>,
    level: number,
    promised: Descriptor,
  ): AsyncGenerator<Uint8Array> {
    const digester = createDigester(parseDigest(promised.digest).algorithm);
    for await (const member of this.#parts.encoder.encode(tar, level)) {
      digester.update(member);
      yield member;
    }
    if (digester.digest() === promised.digest) return;
    throw new TareError(
      'corrupt',
      `the layer does not give the compressed form ${promised.digest} any more: push the image again`,
    );
  }
}

/** Every peer reads gzip; bytes that are there cost less than bytes to be made. */
function rank({ descriptor, from }: LayerForm): number {
  return (layerCompression(descriptor.mediaType) === 'gzip' ? 0 : 2) + (from === 'content' ? 0 : 1);
}

async function* tapped(
  source: AsyncIterable<Uint8Array>,
  tap: (length: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    tap(chunk.byteLength);
    yield chunk;
  }
}

async function* skipped(source: AsyncIterable<Uint8Array>, from: number): AsyncGenerator<Uint8Array> {
  let left = from;
  for await (const chunk of source) {
    if (left >= chunk.byteLength) left -= chunk.byteLength;
    else {
      yield left === 0 ? chunk : chunk.subarray(left);
      left = 0;
    }
  }
}

function missingLayer(diffId: string): TareError {
  return new TareError('not-found', `the layer ${diffId} is not here: pull the image again`);
}
