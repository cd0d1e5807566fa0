import { TareError } from '../../base/errors.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { shortDigest } from '../../oci/digest.ts';
import { layerCompression, MEDIA_TYPES } from '../../oci/manifest.ts';
import {
  canonicalName,
  canonicalString,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withDigest,
  withTag,
} from '../../oci/reference.ts';
import type {
  BlobBody,
  BlobSource,
  ImagePusher,
  PushedBlob,
  RepositoryPush,
} from '../../registry-client/registry-client.ts';
import type { ImageIndex } from './image-index.ts';
import type { Image, PushOptions } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';
import { type PushPlan, planPush, schema2Manifest } from './push-plan.ts';

export interface PushParts {
  readonly content: ContentStore;
  readonly layerBlobs: LayerBlobs;
  readonly pusher: ImagePusher;
  readonly index: ImageIndex;
  /** Keeps layers and blobs from being collected while they are read. */
  readonly hold: (...digests: readonly string[]) => void;
}

/**
 * Pushes one tag, or all tags of a repository when the reference has none. Words and order of the progress are
 * dockerd's. Run it under a lease.
 */
export async function pushImage(given: Reference, options: PushOptions, parts: PushParts): Promise<void> {
  if (given.digest !== undefined) throw new TareError('invalid', 'cannot push a digest reference');
  options.report({ status: `The push refers to repository [${canonicalName(given)}]` });
  for (const ref of tagsToPush(given, parts.index)) {
    await new TagPush(ref, options, parts).run();
  }
}

/** The tags that a push without a tag means, sorted; else the one. Throws `not-found` in dockerd's words. */
export function tagsToPush(given: Reference, index: Pick<ImageIndex, 'list' | 'find'>): Reference[] {
  const local = index
    .list()
    .flatMap(({ repoTags, repoDigests }) => [...repoTags, ...repoDigests].map(parseReference))
    .filter((ref) => canonicalName(ref) === canonicalName(given));
  if (local.length === 0) {
    throw new TareError('not-found', `An image does not exist locally with the tag: ${familiarName(given)}`);
  }
  if (given.tag !== undefined) {
    if (local.some(({ tag }) => tag === given.tag)) return [given];
    throw new TareError('not-found', `tag does not exist: ${familiarString(given)}`);
  }
  const tags = local.flatMap(({ tag }) => tag ?? []).sort();
  if (tags.length === 0) throw new TareError('not-found', `no tags to push for ${familiarName(given)}`);
  return tags.map((tag) => withTag(given, tag));
}

/** One tag on its way. */
class TagPush {
  readonly #ref: Reference;
  readonly #options: PushOptions;
  readonly #parts: PushParts;

  constructor(ref: Reference, options: PushOptions, parts: PushParts) {
    this.#ref = ref;
    this.#options = options;
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const image = this.#parts.index.get(canonicalString(this.#ref));
    const { index } = this.#parts;
    this.#parts.hold(image.id, ...index.blobsOf(image.id), ...image.config.rootfs.diff_ids);
    try {
      // What the registry has somewhere can be mounted without its bytes.
      await this.#push(image, (digest) => this.#mountable(digest).length > 0);
    } catch (error) {
      if (!(error instanceof BytesGone)) throw error;
      await this.#push(image, () => false);
    }
  }

  async #push(image: Image, reachable: (digest: string) => boolean): Promise<void> {
    const { auth, platform, report, signal } = this.#options;
    const { pusher } = this.#parts;
    const wanted = { repository: canonicalName(this.#ref), platform, reachable };
    const plan = await planPush(image, wanted, this.#parts);
    if (plan.lost !== undefined) {
      report({
        status: `Compressed layers of ${plan.lost} are not here any more: the image gets a new manifest`,
      });
    }
    for (const { diffId } of plan.layers) report({ id: shortDigest(diffId), status: 'Preparing' });
    // The first blob that fails ends the others.
    const failure = new AbortController();
    const push = await pusher.openPush(this.#ref, {
      ...(auth === undefined ? {} : { auth }),
      signal: AbortSignal.any([signal, failure.signal]),
    });
    const layers = plan.layers.map((layer) => this.#layer(push, layer));
    const configs = plan.configs.map((config) => push.blob(this.#config(config)));
    const all = [...layers, ...configs];
    for (const each of all) each.catch((error: unknown) => failure.abort(error));
    await Promise.allSettled(all);
    await Promise.all(configs);
    const pushed = await Promise.all(layers);
    const { layerBlobs } = this.#parts;
    layerBlobs.seenIn(
      canonicalName(this.#ref),
      pushed.map(({ descriptor }) => descriptor.digest),
    );
    await this.#manifests(push, image, plan, pushed);
  }

  async #layer(push: RepositoryPush, layer: PushPlan['layers'][number]): Promise<PushedBlob> {
    const id = shortDigest(layer.diffId);
    const { report } = this.#options;
    const pushed = await push.blob({
      key: layer.blob?.digest ?? layer.diffId,
      known: () => (layer.blob ? [layer.blob] : dockerForms(layer.diffId, this.#parts.layerBlobs)),
      mountFrom: (digest) => this.#mountable(digest),
      open: () => openLayer(layer, this.#parts),
      report: (event) => {
        if (event.state === 'waiting') report({ id, status: 'Waiting' });
        else report({ id, status: 'Pushing', current: event.current, total: event.total });
      },
    });
    const words = { there: 'Layer already exists', mounted: `Mounted from ${pushed.from}`, sent: 'Pushed' };
    report({ id, status: words[pushed.how] });
    return pushed;
  }

  /** Repositories of the same registry that have had a blob. */
  #mountable(digest: string): string[] {
    const prefix = `${this.#ref.domain}/`;
    return this.#parts.layerBlobs
      .repositoriesOf(digest)
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }

  #config(descriptor: Descriptor): BlobSource {
    const { content } = this.#parts;
    return {
      key: descriptor.digest,
      known: () => [descriptor],
      mountFrom: () => [],
      open: () => bodyOf(content.stream(descriptor.digest), descriptor),
      report: () => {},
    };
  }

  async #manifests(push: RepositoryPush, image: Image, plan: PushPlan, pushed: PushedBlob[]): Promise<void> {
    const { content, index } = this.#parts;
    const { report } = this.#options;
    const tag = this.#ref.tag ?? '';
    const kept = plan.documents.at(-1);
    const byLayer = new Map(plan.layers.map(({ diffId }, i) => [diffId, pushed[i]?.descriptor]));
    const named = kept ?? schema2Manifest(image, await content.read(image.id), byLayer);
    for (const { digest, mediaType, bytes } of plan.documents.slice(0, -1)) {
      await push.manifest(digest, mediaType, bytes);
    }
    await push.manifest(tag, named.mediaType, named.bytes);
    report({ status: `${tag}: digest: ${named.digest} size: ${named.bytes.byteLength}` });
    if (kept === undefined) await content.put(named.mediaType, named.bytes);
    // Somebody may have removed the image meanwhile: then it stays removed.
    if (index.find(image.id) !== undefined) {
      index.add({
        id: image.id,
        configText: index.configText(image.id),
        size: image.size,
        parent: image.parent,
        blobs: [named.digest],
        tags: [],
        digests: [canonicalString(withDigest(this.#ref, named.digest))],
      });
    }
    report({ aux: { Tag: tag, Digest: named.digest, Size: named.bytes.byteLength } });
  }
}

/** Forms that a Docker manifest can name: every reader takes gzip. */
function dockerForms(diffId: string, layerBlobs: LayerBlobs): Descriptor[] {
  return layerBlobs
    .forms(diffId)
    .filter(({ descriptor }) => layerCompression(descriptor.mediaType) === 'gzip')
    .map(({ descriptor }) => ({ ...descriptor, mediaType: MEDIA_TYPES.dockerLayerGzip }));
}

/** The registry does not have what it was known to have, and the bytes are not here. */
class BytesGone extends TareError {
  constructor(digest: string) {
    super('not-found', `the blob ${digest} is not here: pull the image again`);
  }
}

function openLayer({ diffId, blob }: PushPlan['layers'][number], parts: PushParts): BlobBody {
  const { content, layerBlobs } = parts;
  const known = blob ?? dockerForms(diffId, layerBlobs)[0];
  if (known !== undefined) {
    if (layerBlobs.find(known.digest) !== undefined) return bodyOf(layerBlobs.stream(known.digest), known);
    // Of an attestation, which is no form of a layer.
    if (content.size(known.digest) === known.size) return bodyOf(content.stream(known.digest), known);
    throw new BytesGone(known.digest);
  }
  const { bytes, form, progress } = layerBlobs.compress(diffId);
  return { bytes, described: form.then(({ descriptor }) => descriptor), progress };
}

function bodyOf(stream: AsyncIterable<Uint8Array>, descriptor: Descriptor): BlobBody {
  let current = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      current += chunk.byteLength;
      yield chunk;
    }
  };
  return {
    bytes: counted(),
    descriptor,
    described: Promise.resolve(descriptor),
    progress: () => ({ current, total: descriptor.size }),
  };
}
