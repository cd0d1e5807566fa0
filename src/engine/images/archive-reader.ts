import { toText } from '../../archive/byte-string.ts';
import { detectCompression, MAGIC_LENGTH } from '../../archive/compression.ts';
import { isTarHeader } from '../../archive/tar-header.ts';
import { readTarMembers, type TarMemberStream } from '../../archive/tar-members.ts';
import { decompressedWithin } from '../../archive/unpack-limit.ts';
import { isKind, TareError } from '../../base/errors.ts';
import { streamOf } from '../../base/streams.ts';
import type { ContentStore } from '../../content/content.ts';
import { digestOf, isDigest, shortDigest } from '../../oci/digest.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { ProgressEvent } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';
import { withProgress } from './with-progress.ts';

/** Largest member that is kept in memory as a possible manifest or config, and of all together, in bytes. */
const DOCUMENT_LIMIT = 4 * 1024 * 1024;
const DOCUMENTS_LIMIT = 64 * 1024 * 1024;

export interface ArchiveReaderParts {
  readonly content: Pick<ContentStore, 'ingest'>;
  readonly snapshotter: Pick<Snapshotter, 'applyLayer' | 'hasLayer'>;
  readonly layerBlobs: Pick<LayerBlobs, 'find'>;
  /** Bytes that a layer may unpack to. */
  readonly layerLimit: () => number;
  readonly report: (event: ProgressEvent) => void;
}

/** What an archive's members turned out to be, by their names inside it. */
export interface ArchiveContents {
  readonly documents: Map<string, Uint8Array>;
  /** Diff ids of members that are layers and have been stored. */
  readonly layers: Map<string, string>;
  /** Members that look like layers and are none. */
  readonly failures: Map<string, unknown>;
  /** Hard and symbolic links to other members. */
  readonly links: Map<string, string>;
}

/**
 * Reads an archive of images in one pass: layers are stored as they come, small files are kept, and of an OCI
 * layout's compressed layers the blobs too. Throws `corrupt` for a damaged archive.
 */
export async function readArchive(
  tar: ReadableStream<Uint8Array>,
  parts: ArchiveReaderParts,
): Promise<ArchiveContents> {
  const contents: ArchiveContents = {
    documents: new Map(),
    layers: new Map(),
    failures: new Map(),
    links: new Map(),
  };
  let kept = 0;
  // What the archive holds is limited layer by layer; a compressed one as a whole by its ratio.
  const plain = decompressedWithin(tar, { maxBytes: Number.POSITIVE_INFINITY });
  const storing = new Storing();
  try {
    for await (const member of readTarMembers(plain)) {
      storing.check();
      const { type } = member.entry;
      const name = normalize(toText(member.entry.name));
      if (type === 'symlink' || type === 'link') {
        const base =
          type === 'symlink' && name.includes('/') ? `${name.slice(0, name.lastIndexOf('/'))}/` : '';
        contents.links.set(name, normalize(base + toText(member.entry.linkName)));
      }
      if (type !== 'file') continue;
      const head = new Head(member.body[Symbol.asyncIterator]());
      const start = await head.peek(512);
      if (looksLikeLayer(start)) {
        await storing.begin(head, readLayer({ name, member, head }, contents, parts));
      } else if (member.entry.size <= DOCUMENT_LIMIT && kept + member.entry.size <= DOCUMENTS_LIMIT) {
        kept += member.entry.size;
        const bytes = await collect(head);
        checkBlobName(name, digestOf(bytes), digestOf(bytes, 'sha512'));
        contents.documents.set(name, bytes);
      }
    }
  } finally {
    await storing.settled();
  }
  storing.check();
  return contents;
}

/**
 * Layers that are being stored. The next member is read when a layer's last byte was taken, while the layer is still
 * on its way to the disk.
 */
class Storing {
  readonly #open = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /** Waits until `layer` has read all of `head`, or ended before. */
  async begin(head: Head, layer: Promise<void>): Promise<void> {
    const watched = layer
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#open.delete(watched));
    this.#open.add(watched);
    await Promise.race([head.ended, watched]);
  }

  /** Throws what went wrong so far. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Waits for all, however they end. */
  async settled(): Promise<void> {
    await Promise.all(this.#open);
  }
}

/** A member of which the first bytes have been looked at. */
interface Opened {
  readonly name: string;
  readonly member: TarMemberStream;
  readonly head: Head;
}

async function readLayer(
  opened: Opened,
  contents: ArchiveContents,
  parts: ArchiveReaderParts,
): Promise<void> {
  const { name, member, head } = opened;
  const named = blobDigest(name);
  const plain = detectCompression(await head.peek(MAGIC_LENGTH)) === 'none';
  if (named !== undefined) {
    const known = plain ? named : parts.layerBlobs.find(named)?.diffId;
    if (known !== undefined && parts.snapshotter.hasLayer(known)) {
      contents.layers.set(name, known);
      return;
    }
  }
  const { size } = member.entry;
  const id = named === undefined ? name.slice(0, 12) : shortDigest(named);
  const counted = withProgress(head, (current) => {
    parts.report({ id, status: 'Loading layer', current, total: size });
  });
  try {
    const layer = { source: counted, size };
    const diffId =
      named === undefined || plain
        ? await storeLayer(layer, plain ? named : undefined, parts)
        : await storeBlob(layer, named, parts);
    contents.layers.set(name, diffId);
  } catch (error) {
    // Perhaps it is no layer at all: it only matters if an image names it.
    if (!isKind(error, 'corrupt', 'invalid')) throw error;
    contents.failures.set(name, error);
  }
}

interface LayerSource {
  readonly source: AsyncIterable<Uint8Array>;
  /** Bytes, compressed as it is. */
  readonly size: number;
}

async function storeLayer(
  { source, size }: LayerSource,
  promised: string | undefined,
  { snapshotter, layerLimit }: ArchiveReaderParts,
): Promise<string> {
  const limit = { maxBytes: layerLimit(), compressedSize: size };
  const { diffId } = await snapshotter.applyLayer(promised, streamOf(decompressedWithin(source, limit)));
  return diffId;
}

/**
 * A compressed layer of an OCI layout: its manifest names these bytes, so they are kept beside the layer until it
 * is known whether the image needs them.
 */
async function storeBlob(layer: LayerSource, digest: string, parts: ArchiveReaderParts): Promise<string> {
  const ingest = await parts.content.ingest(`load:${digest}:${crypto.randomUUID()}`);
  try {
    const source = tapped(layer.source, (chunk) => ingest.write(chunk));
    const diffId = await storeLayer({ source, size: layer.size }, undefined, parts);
    // The rest after the compressed data, if any, belongs to the blob too.
    for await (const _ of source) {
      // Written on its way.
    }
    await ingest.commit({ digest, size: layer.size });
    return diffId;
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}

/** Throws `corrupt` when `name` is `blobs/ALGORITHM/HEX` and none of `digests` is that. */
function checkBlobName(name: string, ...digests: string[]): void {
  const named = blobDigest(name);
  if (named === undefined || digests.includes(named)) return;
  throw new TareError('corrupt', `invalid archive: the blob ${named} has the digest ${digests[0]}`);
}

function blobDigest(name: string): string | undefined {
  const match = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(name);
  const digest = match === null ? '' : `${match[1]}:${match[2]}`;
  return isDigest(digest) ? digest : undefined;
}

function looksLikeLayer(head: Uint8Array): boolean {
  return detectCompression(head) !== 'none' || isTarHeader(head);
}

/** `./a//b` and `a/b` are one member; `..` stays inside. */
function normalize(name: string): string {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Follows links from member to member; archives of old Docker versions share layers that way. */
export function follow(name: string, links: ReadonlyMap<string, string>): string {
  let at = normalize(name);
  for (let i = 0; i < 16; i++) {
    const next = links.get(at);
    if (next === undefined) return at;
    at = next;
  }
  throw new TareError('corrupt', `invalid archive: a loop of links at ${name}`);
}

/** A body whose first bytes can be looked at before they are read. */
class Head implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>;
  #front: Uint8Array = new Uint8Array(0);
  #done = false;
  readonly #ended = Promise.withResolvers<void>();

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  /** Resolves when a reader was told that there is no more. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** The first `length` bytes, or all when there are fewer. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#front.byteLength < length && !this.#done) {
      const next = await this.#source.next();
      if (next.done) this.#done = true;
      else this.#front = this.#front.byteLength === 0 ? next.value : Buffer.concat([this.#front, next.value]);
    }
    return this.#front.subarray(0, length);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#front.byteLength > 0) {
      const value = this.#front;
      this.#front = new Uint8Array(0);
      return { done: false, value };
    }
    const next = this.#done ? undefined : await this.#source.next();
    if (next !== undefined && !next.done) return next;
    this.#done = true;
    this.#ended.resolve();
    return { done: true, value: undefined };
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  // The chunks are views of the archive's; a copy lets go of it.
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* tapped(
  source: AsyncIterable<Uint8Array>,
  tap: (chunk: Uint8Array) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    await tap(chunk);
    yield chunk;
  }
}
