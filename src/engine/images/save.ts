import { OutputBuffer } from '../../archive/output-buffer.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { TareError } from '../../base/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import {
  canonicalString,
  familiarString,
  parseReference,
  type Reference,
  sameRepository,
  tryParseReference,
  withDefaultTag,
} from '../../oci/reference.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import { blobPath } from './archive-images.ts';
import type { ImageIndex } from './image-index.ts';
import type { Image } from './images.ts';
import { type KeptManifest, type KeptManifestParts, keptManifest } from './kept-manifest.ts';
import { plainManifest } from './plain-manifest.ts';

export interface SaveParts extends KeptManifestParts {
  readonly snapshotter: Snapshotter;
  readonly index: Pick<ImageIndex, 'find' | 'list' | 'configText' | 'isIdOf' | 'blobsOf'>;
}

/** One image to save, with the references it gets in the archive. */
export interface Saved {
  readonly image: Image;
  readonly tags: Reference[];
}

interface Planned extends Saved {
  readonly kept: KeptManifest | undefined;
}

/** `seconds`: when it was made; 0 for what only this archive has. */
type Document = readonly [name: string, bytes: Uint8Array, seconds: number];

/**
 * The images that `refs` mean, each once. A name without a tag means all tags of the repository; an id means the
 * image without names. Throws `not-found`.
 */
export function imagesToSave(refs: readonly string[], index: SaveParts['index']): Saved[] {
  const images = new Map<string, Saved>();
  for (const ref of refs) {
    for (const { image, tag } of resolve(ref, index)) {
      const saved = images.get(image.id) ?? { image, tags: [] };
      images.set(image.id, saved);
      if (tag !== undefined && !saved.tags.some((known) => canonicalString(known) === canonicalString(tag))) {
        saved.tags.push(tag);
      }
    }
  }
  return [...images.values()];
}

/**
 * Images as one tar that is docker-archive and OCI layout at once, as Docker from version 25 on writes it; each
 * layer is in it once. An image that was pulled is in it with its manifest and compressed layers when they are on
 * the disk, any other with a manifest of its own and plain layers. Throws `corrupt` at once when a layer is missing.
 */
export async function archiveOf(
  images: readonly Saved[],
  parts: SaveParts,
): Promise<AsyncIterable<Uint8Array>> {
  const planned: Planned[] = [];
  for (const saved of images) {
    planned.push({ ...saved, kept: await keptManifest(saved.image, saved.tags, parts) });
  }
  const layers = new Map<string, number>();
  const documents = describe(planned, parts, layers);
  return archiveBytes(layers, documents, (digest) =>
    parts.snapshotter.layer(digest) === undefined
      ? parts.content.stream(digest)
      : parts.snapshotter.layerTar(digest),
  );
}

function* resolve(
  ref: string,
  index: SaveParts['index'],
): Generator<{ image: Image; tag: Reference | undefined }> {
  const parsed = tryParseReference(ref);
  if (parsed !== undefined && parsed.tag === undefined && parsed.digest === undefined) {
    let found = false;
    for (const image of index.list()) {
      for (const name of image.repoTags) {
        const tag = parseReference(name);
        if (!sameRepository(tag, parsed)) continue;
        found = true;
        yield { image, tag };
      }
    }
    if (found) return;
  }
  const image = index.find(ref);
  // Without the tag that the other commands add.
  if (image === undefined) throw new TareError('not-found', `No such image: ${ref}`);
  const byId = index.isIdOf(ref, image.id) || parsed?.digest !== undefined;
  yield { image, tag: byId ? undefined : withDefaultTag(parseReference(ref)) };
}

/**
 * All small files of the archive: first the blobs by digest, then the documents that name them. `blobSizes` gets
 * the layers that they need, by digest.
 */
function describe(images: readonly Planned[], parts: SaveParts, blobSizes: Map<string, number>): Document[] {
  const blobs = new Map<string, Document>();
  const index: Descriptor[] = [];
  const manifests: unknown[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  const put = ({ digest }: { digest: string }, bytes: string | Uint8Array, seconds = 0): void => {
    const path = blobPath(digest);
    blobs.set(path, [path, Buffer.from(bytes), seconds]);
  };
  for (const { image, tags, kept } of images) {
    const configText = parts.index.configText(image.id);
    const plain = plainManifest(image, configText, parts.snapshotter);
    if (plain === undefined) {
      throw new TareError('corrupt', `a layer of the image ${image.id} is missing: pull the image again`);
    }
    const { config } = plain;
    const layers = image.config.rootfs.diff_ids.map((diffId, i) => ({
      diffId,
      blob: kept?.layers.get(diffId) ?? (plain.layers[i] as Descriptor),
    }));
    for (const { blob } of layers) blobSizes.set(blob.digest, blob.size);
    put(config, configText, Math.max(0, Math.floor(image.createdAt / 1000)));
    for (const document of kept?.documents ?? []) put(document, document.bytes);
    if (kept === undefined) put(plain.descriptor, plain.text);
    const manifest = kept?.target ?? plain.descriptor;
    if (tags.length === 0) index.push(manifest);
    for (const tag of tags) {
      const annotations = {
        'io.containerd.image.name': canonicalString(tag),
        'org.opencontainers.image.ref.name': tag.tag ?? 'latest',
      };
      index.push({ ...manifest, annotations });
      const familiar = familiarString(tag);
      const repository = familiar.slice(0, familiar.lastIndexOf(':'));
      const top = image.config.rootfs.diff_ids.at(-1) ?? image.id;
      repositories[repository] = {
        ...repositories[repository],
        [tag.tag ?? 'latest']: top.replace(/^.*:/, ''),
      };
    }
    manifests.push({
      Config: blobPath(config.digest),
      RepoTags: tags.length > 0 ? tags.map(familiarString) : null,
      Layers: layers.map(({ blob }) => blobPath(blob.digest)),
      LayerSources: Object.fromEntries(layers.map(({ diffId, blob }) => [diffId, blob])),
    });
  }
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  return [
    ...blobs.values(),
    ['index.json', json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: index }), 0],
    ['manifest.json', json(manifests), 0],
    ['oci-layout', json({ imageLayoutVersion: '1.0.0' }), 0],
    ...(Object.keys(repositories).length > 0 ? [['repositories', json(repositories), 0] as const] : []),
  ];
}

/** Pieces from this size on are handed on as they are; smaller ones are joined. */
const LARGE = 64 * 1024;

async function* archiveBytes(
  layers: ReadonlyMap<string, number>,
  documents: readonly Document[],
  open: (digest: string) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  async function* write(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    if (bytes.byteLength >= LARGE) {
      if (!output.isEmpty) yield output.take();
      yield bytes;
      return;
    }
    for (let at = 0; at < bytes.byteLength; ) {
      at += output.add(bytes.subarray(at));
      if (output.full) yield output.take();
    }
  }
  async function* file(
    name: string,
    size: number,
    body: AsyncIterable<Uint8Array>,
    seconds = 0,
  ): AsyncGenerator<Uint8Array> {
    yield* write(encodeTarHeader({ type: 'file', name, mode: 0o644, size, seconds }));
    for await (const chunk of body) yield* write(chunk);
    yield* write(tarPadding(size));
  }
  for (const name of ['blobs', 'blobs/sha256']) {
    yield* write(encodeTarHeader({ type: 'directory', name, mode: 0o755 }));
  }
  for (const [digest, size] of layers) yield* file(blobPath(digest), size, open(digest));
  for (const [name, bytes, seconds] of documents) {
    yield* file(name, bytes.byteLength, one(bytes), seconds);
  }
  yield* write(tarEnd());
  if (!output.isEmpty) yield output.take();
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
