import { toText } from '../../archive/byte-string.ts';
import { detectCompression } from '../../archive/compression.ts';
import { isTarHeader } from '../../archive/tar-header.ts';
import { readTarMembers, type TarMemberStream } from '../../archive/tar-members.ts';
import { decompressedWithin } from '../../archive/unpack-limit.ts';
import { isKind, TareError } from '../../base/errors.ts';
import { streamOf } from '../../base/streams.ts';
import type { ContentStore } from '../../content/content.ts';
import { createDigester, digestOf, isDigest, shortDigest } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { parseImageConfig } from '../../oci/parse-image-config.ts';
import { familiarString, parseReference } from '../../oci/reference.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import { type ArchivedImage, imagesOfArchive } from './archive-images.ts';
import type { ImageIndex } from './image-index.ts';
import type { ProgressEvent } from './images.ts';
import { withProgress } from './with-progress.ts';

/** Largest member that is kept in memory as a possible manifest or config, and of all together, in bytes. */
const DOCUMENT_LIMIT = 4 * 1024 * 1024;
const DOCUMENTS_LIMIT = 64 * 1024 * 1024;

export interface LoadParts {
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly index: Pick<ImageIndex, 'add'>;
  /** Bytes that a layer may unpack to. */
  readonly layerLimit: () => number;
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
 * Reads a docker-archive or an OCI layout (or both in one, as `docker save` writes), plain or compressed, as a
 * stream: members may come in any order, so each layer is stored when it comes, before anything says what it
 * is. Rows appear at the end, when everything was checked; a broken archive changes nothing, and the layers that
 * it brought are collected as garbage when the caller's lease ends. Returns familiar names or ids.
 */
export async function loadImages(
  tar: ReadableStream<Uint8Array>,
  report: (event: ProgressEvent) => void,
  parts: LoadParts,
): Promise<string[]> {
  const contents = await readArchive(tar, report, parts);
  const images = imagesOfArchive(contents);
  const prepared = images.map((image) => prepare(image, contents, parts.snapshotter));
  const names: string[] = [];
  for (const { configBytes } of prepared) await parts.content.put(MEDIA_TYPES.dockerConfig, configBytes);
  for (const { image, id, configText, size } of prepared) {
    parts.index.add({ id, configText, size, parent: '', blobs: [], tags: image.tags, digests: [] });
    for (const tag of image.tags) {
      const name = familiarString(parseReference(tag));
      names.push(name);
      report({ stream: `Loaded image: ${name}\n` });
    }
    if (image.tags.length > 0) continue;
    names.push(id);
    report({ stream: `Loaded image ID: ${id}\n` });
  }
  return names;
}

interface PreparedImage {
  readonly image: ArchivedImage;
  readonly id: string;
  readonly configBytes: Uint8Array;
  readonly configText: string;
  readonly size: number;
}

/** Checks that an image's config and layers are there and fit together. Throws `corrupt`. */
function prepare(image: ArchivedImage, contents: ArchiveContents, snapshotter: Snapshotter): PreparedImage {
  const configBytes = contents.documents.get(follow(image.config, contents.links));
  if (configBytes === undefined) {
    throw new TareError('corrupt', `invalid archive: the config ${image.config} is missing`);
  }
  const config = parseImageConfig(configBytes);
  const { diff_ids: diffIds } = config.rootfs;
  if (image.layers.length !== diffIds.length) {
    throw new TareError(
      'corrupt',
      `invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${image.layers.length}`,
    );
  }
  let size = 0;
  for (const [i, path] of image.layers.entries()) {
    const member = follow(path, contents.links);
    const diffId = contents.layers.get(member);
    if (diffId === undefined) {
      const failure = contents.failures.get(member);
      if (failure !== undefined) throw failure;
      throw new TareError('corrupt', `invalid archive: the layer ${path} is missing`);
    }
    if (diffId !== diffIds[i]) {
      throw new TareError(
        'corrupt',
        `invalid diffID for layer ${i}: expected "${diffIds[i]}", got "${diffId}"`,
      );
    }
    size += snapshotter.layer(diffId)?.size ?? 0;
  }
  const configText = Buffer.from(configBytes).toString('utf8');
  return { image, id: digestOf(configBytes), configBytes, configText, size };
}

async function readArchive(
  tar: ReadableStream<Uint8Array>,
  report: (event: ProgressEvent) => void,
  parts: LoadParts,
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
  for await (const member of readTarMembers(plain)) {
    const { type } = member.entry;
    const name = normalize(toText(member.entry.name));
    if (type === 'symlink' || type === 'link') {
      const base = type === 'symlink' && name.includes('/') ? `${name.slice(0, name.lastIndexOf('/'))}/` : '';
      contents.links.set(name, normalize(base + toText(member.entry.linkName)));
    }
    if (type !== 'file') continue;
    const head = new Head(member.body[Symbol.asyncIterator]());
    const start = await head.peek(512);
    if (looksLikeLayer(start)) {
      await readLayer(name, member, head, contents, parts, report);
    } else if (member.entry.size <= DOCUMENT_LIMIT && kept + member.entry.size <= DOCUMENTS_LIMIT) {
      kept += member.entry.size;
      const bytes = await collect(head);
      checkBlobName(name, digestOf(bytes), digestOf(bytes, 'sha512'));
      contents.documents.set(name, bytes);
    }
  }
  return contents;
}

async function readLayer(
  name: string,
  member: TarMemberStream,
  head: Head,
  contents: ArchiveContents,
  { snapshotter, layerLimit }: LoadParts,
  report: (event: ProgressEvent) => void,
): Promise<void> {
  const named = blobDigest(name);
  const plain = detectCompression(await head.peek(4)) === 'none';
  if (named !== undefined && plain && snapshotter.hasLayer(named)) {
    contents.layers.set(name, named);
    return;
  }
  const id = named === undefined ? name.slice(0, 12) : shortDigest(named);
  const counted = withProgress(head, (current) => {
    report({ id, status: 'Loading layer', current, total: member.entry.size });
  });
  const digester =
    named === undefined || plain
      ? undefined
      : createDigester(named.startsWith('sha512') ? 'sha512' : 'sha256');
  const source = digester === undefined ? counted : tapped(counted, (chunk) => digester.update(chunk));
  try {
    const promised = plain ? named : undefined;
    const limit = { maxBytes: layerLimit(), compressedSize: member.entry.size };
    const { diffId } = await snapshotter.applyLayer(promised, streamOf(decompressedWithin(source, limit)));
    if (digester !== undefined) {
      // The rest after the compressed data, if any, belongs to the blob too.
      for await (const _ of source) {
        // Hashed on its way.
      }
      checkBlobName(name, digester.digest());
    }
    contents.layers.set(name, diffId);
  } catch (error) {
    // Perhaps it is no layer at all: it only matters if an image names it.
    if (!isKind(error, 'corrupt', 'invalid')) throw error;
    contents.failures.set(name, error);
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
function follow(name: string, links: ReadonlyMap<string, string>): string {
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

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
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
    return this.#done ? { done: true, value: undefined } : this.#source.next();
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
  tap: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    tap(chunk);
    yield chunk;
  }
}
