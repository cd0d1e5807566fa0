import { KeyedMutex } from '../../base/mutex.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigest } from '../../oci/digest.ts';
import { canonicalName, DEFAULT_DOMAIN, parseReference, type Reference } from '../../oci/reference.ts';
import type { Image } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';
import { type ImageDocument, type PushPlan, schema2Manifest } from './push-plan.ts';

export interface DistributionParts {
  readonly list: () => readonly Image[];
  /** See push-plan.ts. */
  readonly plan: (image: Image, repository: string) => Promise<PushPlan>;
  readonly content: ContentStore;
  readonly layerBlobs: Pick<LayerBlobs, 'find' | 'ensure' | 'stream'>;
  readonly now: () => number;
}

/** Where a blob's bytes are. */
export type DistributedBlob =
  | { readonly size: number; readonly path: string }
  | { readonly size: number; readonly open: () => ReadableStream<Uint8Array> };

/** What one image gives: documents, the one that its tag names last, and the blobs below them. */
interface Offer {
  readonly documents: readonly ImageDocument[];
  readonly blobs: ReadonlySet<string>;
}

/** Whether forms of layers can still be had is looked at again after so many milliseconds. */
const OFFER_TERM = 10_000;

/**
 * The images here as a registry serves them, by the names that they have: `nginx` is `library/nginx` of Docker Hub, or
 * shorter `nginx`; an image of another registry is `registry.example_5000/team/app`, or `team/app` when nothing nearer
 * has that name. A pulled image has its original manifests and blobs; an image that was made here gets the manifest
 * that a push would make, which costs the compression of its layers once. A name shows only what its images need.
 */
export class ImageDistribution {
  readonly #parts: DistributionParts;
  readonly #offers = new Map<
    string,
    { readonly state: string; readonly at: number; readonly offer: Offer }
  >();
  readonly #making = new KeyedMutex();

  constructor(parts: DistributionParts) {
    this.#parts = parts;
  }

  /** Names of all repositories, sorted. */
  repositories(): string[] {
    const names = this.#named().map(({ reference }) => servedName(reference));
    return [...new Set(names)].sort();
  }

  /** Tags of a repository; undefined when no image has the name. */
  tags(repository: string): string[] | undefined {
    const matches = this.#matching(repository);
    if (matches.length === 0) return undefined;
    return [...new Set(matches.flatMap(({ reference }) => reference.tag ?? []))];
  }

  /** A manifest or index by tag or digest. */
  async document(repository: string, reference: string): Promise<ImageDocument | undefined> {
    const matches = this.#matching(repository);
    if (!isDigest(reference)) {
      const match = matches.find((each) => each.reference.tag === reference);
      return match && (await this.#offer(match)).documents.at(-1);
    }
    for (const match of matches) {
      const found = (await this.#offer(match)).documents.find(({ digest }) => digest === reference);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async blob(repository: string, digest: string): Promise<DistributedBlob | undefined> {
    const { content, layerBlobs } = this.#parts;
    for (const match of this.#matching(repository)) {
      if (!(await this.#offer(match)).blobs.has(digest)) continue;
      const size = content.size(digest);
      if (size !== undefined) return { size, path: content.path(digest) };
      const form = layerBlobs.find(digest);
      if (form !== undefined) return { size: form.descriptor.size, open: () => layerBlobs.stream(digest) };
    }
    return undefined;
  }

  #named(): Match[] {
    return this.#parts
      .list()
      .flatMap((image) =>
        [...image.repoTags, ...image.repoDigests].map((name) => ({ image, reference: parseReference(name) })),
      );
  }

  /** Images that the name may mean, the nearest meaning first. */
  #matching(repository: string): Match[] {
    const nearness = ({ reference }: Match): number => {
      if (servedName(reference) === repository) return 0;
      if (reference.domain === DEFAULT_DOMAIN && reference.path === `library/${repository}`) return 1;
      if (prefixed(reference) === repository) return 2;
      return reference.path === repository ? 3 : 4;
    };
    return this.#named()
      .map((match) => ({ match, near: nearness(match) }))
      .filter(({ near }) => near < 4)
      .sort((a, b) => a.near - b.near)
      .map(({ match }) => match);
  }

  async #offer({ image, reference }: Match): Promise<Offer> {
    const repository = canonicalName(reference);
    const key = `${image.id} ${repository}`;
    const state = image.repoDigests.join(' ');
    return this.#making.run(key, async () => {
      const now = this.#parts.now();
      const known = this.#offers.get(key);
      if (known?.state === state && now - known.at < OFFER_TERM) return known.offer;
      const offer = await this.#makeOffer(image, repository);
      for (const [old, { at }] of this.#offers) if (now - at > OFFER_TERM) this.#offers.delete(old);
      this.#offers.set(key, { state, at: this.#parts.now(), offer });
      return offer;
    });
  }

  async #makeOffer(image: Image, repository: string): Promise<Offer> {
    const { plan, content, layerBlobs } = this.#parts;
    const { documents, layers, configs } = await plan(image, repository);
    const blobs = new Set(configs.map(({ digest }) => digest));
    if (documents.length > 0) {
      for (const { blob } of layers) if (blob !== undefined) blobs.add(blob.digest);
      return { documents, blobs };
    }
    const forms = new Map<string, Descriptor>();
    for (const { diffId } of layers) forms.set(diffId, (await layerBlobs.ensure(diffId)).descriptor);
    for (const { digest } of forms.values()) blobs.add(digest);
    const document = schema2Manifest(image, await content.read(image.id), forms);
    return { documents: [document], blobs };
  }
}

interface Match {
  readonly image: Image;
  readonly reference: Reference;
}

/** Docker Hub's names are served as they are, those of others behind their host. */
function servedName(reference: Reference): string {
  return reference.domain === DEFAULT_DOMAIN ? reference.path : prefixed(reference);
}

/** A repository's name has no colon. */
function prefixed({ domain, path }: Reference): string {
  return `${domain.replace(':', '_')}/${path}`;
}
