import type { ImageDistribution } from '../../engine/images/image-distribution.ts';
import type {
  Page,
  ReferrerDescriptor,
  RegistryReader,
  Slice,
  StoredBlob,
  StoredManifest,
} from '../registry-server.ts';

/** The engine's own images, to be pulled by other machines. Nothing is copied, and nothing can be pushed. */
export class EngineRegistry implements RegistryReader {
  readonly #images: ImageDistribution;

  constructor(images: ImageDistribution) {
    this.#images = images;
  }

  async manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const document = await this.#images.document(repository, reference);
    if (document === undefined) return undefined;
    const { digest, mediaType, bytes } = document;
    return { digest, mediaType, size: bytes.byteLength, bytes: async () => bytes };
  }

  async blob(repository: string, digest: string): Promise<StoredBlob | undefined> {
    const blob = await this.#images.blob(repository, digest);
    if (blob === undefined) return undefined;
    const source =
      'path' in blob
        ? ({ kind: 'file', path: blob.path } as const)
        : ({ kind: 'stream', open: blob.open } as const);
    return { digest, size: blob.size, source };
  }

  async tags(repository: string, page: Page): Promise<Slice | undefined> {
    const tags = this.#images.tags(repository);
    return tags && slice(tags.sort(byLetters), page, byLetters);
  }

  async repositories(page: Page): Promise<Slice> {
    return slice(this.#images.repositories(), page, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  /** The engine keeps no referrers. */
  async referrers(): Promise<readonly ReferrerDescriptor[]> {
    return [];
  }
}

/** The specification's order: letters without their case, of two that are then equal the capital first. */
function byLetters(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  const [left, right] = x === y ? [a, b] : [x, y];
  return left < right ? -1 : left > right ? 1 : 0;
}

function slice(
  names: readonly string[],
  { limit, last }: Page,
  order: (a: string, b: string) => number,
): Slice {
  const after = last === undefined ? names : names.filter((name) => order(name, last) > 0);
  if (limit === undefined) return { names: after, more: false };
  return { names: after.slice(0, limit), more: limit > 0 && after.length > limit };
}
