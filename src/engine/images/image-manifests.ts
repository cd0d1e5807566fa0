import { isKind } from '../../base/errors.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import { type ParsedManifest, parseManifest } from '../../oci/manifest.ts';
import { parseReference } from '../../oci/reference.ts';
import type { Image } from './images.ts';
import type { PlainManifest } from './plain-manifest.ts';

/** What an image was pulled as, or pushed or loaded with: the manifest or index of its digest name. */
export interface ImageTarget {
  /** Undefined for an image that has none: imported, committed or built. */
  readonly descriptor?: Descriptor;
  /** Of an index each entry, else the one manifest; without a descriptor the one that `save` would write. */
  readonly manifests: readonly ManifestFacts[];
}

export interface ManifestFacts {
  readonly descriptor: Descriptor;
  readonly kind: 'image' | 'attestation' | 'unknown';
  /** Of an attestation: the digest of the manifest that it speaks of. */
  readonly attests?: string;
  /** Of an image: what its descriptor says, or its config. */
  readonly platform?: Platform;
  /** Id of the image here that this manifest describes; undefined: it is not here. */
  readonly imageId?: string;
  /** Bytes of its blobs in the content store: manifest, config, compressed layers. */
  readonly contentSize: number;
}

/** BuildKit's marks on the descriptor of an attestation. */
const KIND_ANNOTATION = 'vnd.docker.reference.type';
const DIGEST_ANNOTATION = 'vnd.docker.reference.digest';
/** Parsed documents that are remembered; a digest never changes its meaning. */
const REMEMBERED = 2000;

/** Reads what is known of images' manifests out of the content store. */
export class ImageManifests {
  readonly #content: ContentStore;
  readonly #find: (id: string) => Image | undefined;
  readonly #plain: (image: Image) => PlainManifest | undefined;
  readonly #documents = new Map<string, { descriptor: Descriptor; parsed: ParsedManifest }>();

  constructor(
    content: ContentStore,
    find: (id: string) => Image | undefined,
    plain: (image: Image) => PlainManifest | undefined,
  ) {
    this.#content = content;
    this.#find = find;
    this.#plain = plain;
  }

  async targetOf(image: Image): Promise<ImageTarget> {
    for (const name of image.repoDigests) {
      const { digest } = parseReference(name);
      const document = digest === undefined ? undefined : await this.#document(digest);
      if (document === undefined) continue;
      const { descriptor, parsed } = document;
      const entries = parsed.kind === 'index' ? parsed.index.manifests : [descriptor];
      const manifests: ManifestFacts[] = [];
      for (const entry of entries) manifests.push(await this.#facts(entry));
      return { descriptor, manifests };
    }
    const plain = this.#plain(image);
    if (plain === undefined) return { manifests: [] };
    const contentSize = this.#content.size(image.id) ?? 0;
    const descriptor = plain.descriptor;
    const platform = platformOf(image);
    return { manifests: [{ descriptor, kind: 'image', platform, imageId: image.id, contentSize }] };
  }

  async #facts(descriptor: Descriptor): Promise<ManifestFacts> {
    const { annotations = {} } = descriptor;
    if (annotations[KIND_ANNOTATION] === 'attestation-manifest') {
      const attests = annotations[DIGEST_ANNOTATION] ?? '';
      return { descriptor, kind: 'attestation', attests, contentSize: 0 };
    }
    const document = await this.#document(descriptor.digest);
    if (document === undefined) {
      return {
        descriptor,
        kind: descriptor.platform === undefined ? 'unknown' : 'image',
        ...(descriptor.platform === undefined ? {} : { platform: descriptor.platform }),
        contentSize: 0,
      };
    }
    if (document.parsed.kind === 'index') return { descriptor, kind: 'unknown', contentSize: 0 };
    const { config, layers } = document.parsed.manifest;
    const image = this.#find(config.digest);
    const platform = descriptor.platform ?? (image && platformOf(image));
    const blobs = new Set([config.digest, ...layers.map((layer) => layer.digest)]);
    let contentSize = document.descriptor.size;
    for (const digest of blobs) contentSize += this.#content.size(digest) ?? 0;
    return {
      descriptor,
      kind: 'image',
      ...(platform === undefined ? {} : { platform }),
      ...(image === undefined ? {} : { imageId: image.id }),
      contentSize,
    };
  }

  /** Undefined when it is not here or is no manifest. */
  async #document(digest: string): Promise<{ descriptor: Descriptor; parsed: ParsedManifest } | undefined> {
    const known = this.#documents.get(digest);
    if (known !== undefined && this.#content.size(digest) !== undefined) return known;
    try {
      const bytes = await this.#content.read(digest);
      const parsed = parseManifest(bytes);
      const { mediaType } = parsed.kind === 'index' ? parsed.index : parsed.manifest;
      const document = { descriptor: { mediaType, digest, size: bytes.byteLength }, parsed };
      if (this.#documents.size >= REMEMBERED) this.#documents.clear();
      this.#documents.set(digest, document);
      return document;
    } catch (error) {
      if (isKind(error, 'not-found', 'corrupt', 'invalid')) return undefined;
      throw error;
    }
  }
}

/** The platform that an image's config names. */
export function platformOf({ config }: Image): Platform {
  const { os, architecture, variant } = config;
  return {
    os,
    architecture,
    ...(variant ? { variant } : {}),
    ...(config['os.version'] ? { 'os.version': config['os.version'] } : {}),
  };
}
