import type { Row } from '../../base/template/values.ts';
import type { ImageSummary } from '../../wire/images.ts';
import { type Listing, lazy, row } from './listing.ts';
import { humanSize } from './size.ts';
import { ago, goTime } from './time.ts';
import { truncateId } from './truncate.ts';

/** The columns of `tare images`. */
export const IMAGE_LISTING: Listing = {
  typeName: '*formatter.imageContext',
  headings: {
    ID: 'IMAGE ID',
    Repository: 'REPOSITORY',
    Tag: 'TAG',
    Digest: 'DIGEST',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    Size: 'SIZE',
    Containers: 'CONTAINERS',
    VirtualSize: 'SIZE',
    SharedSize: 'SHARED SIZE',
    UniqueSize: 'UNIQUE SIZE',
  },
};

/** The default table. */
export function imageTable(digests: boolean): string {
  const digest = digests ? '{{.Digest}}\t' : '';
  return `{{.Repository}}\t{{.Tag}}\t${digest}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`;
}

const NONE = '<none>';

/** One line of the list: an image under one of its names. */
interface Named {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** Splits at the last colon that is no registry's port. */
function splitTag(reference: string): [repository: string, tag: string] {
  const colon = reference.lastIndexOf(':');
  if (colon < 0 || reference.indexOf('/', colon) >= 0) return [reference, NONE];
  return [reference.slice(0, colon), reference.slice(colon + 1)];
}

/** The names of an image: each tag, with its repository's digests when digests are shown; else one without name. */
function namesOf(image: ImageSummary, digests: boolean): Named[] {
  const byRepository = new Map<string, { tags: string[]; digests: string[] }>();
  const entry = (repository: string) => {
    const found = byRepository.get(repository) ?? { tags: [], digests: [] };
    byRepository.set(repository, found);
    return found;
  };
  for (const reference of image.RepoTags ?? []) {
    const [repository, tag] = splitTag(reference);
    if (repository !== NONE) entry(repository).tags.push(tag);
  }
  for (const reference of image.RepoDigests ?? []) {
    const at = reference.lastIndexOf('@');
    const repository = reference.slice(0, at);
    if (at > 0 && repository !== NONE) entry(repository).digests.push(reference.slice(at + 1));
  }
  const names: Named[] = [];
  for (const [repository, found] of byRepository) {
    const tags = found.tags.length > 0 ? found.tags : [NONE];
    const shown = digests && found.digests.length > 0 ? found.digests : [NONE];
    for (const tag of tags) for (const digest of shown) names.push({ repository, tag, digest });
  }
  return names.length > 0 ? names : [{ repository: NONE, tag: NONE, digest: NONE }];
}

export interface ImageRowOptions {
  readonly trunc: boolean;
  readonly digests: boolean;
}

/** The rows of an image list; an image with several names has several. */
export function imageRows(images: readonly ImageSummary[], { trunc, digests }: ImageRowOptions): Row[] {
  const known = (value: number, text: (value: number) => string) => (value < 0 ? 'N/A' : text(value));
  return images.flatMap((image) =>
    namesOf(image, digests).map(({ repository, tag, digest }) =>
      row({
        ID: trunc ? truncateId(image.Id) : image.Id,
        Repository: repository,
        Tag: tag,
        Digest: digest,
        CreatedSince: image.Created > 0 ? ago(image.Created) : 'N/A',
        CreatedAt: lazy(() => (image.Created > 0 ? goTime(image.Created) : 'N/A')),
        Size: humanSize(image.Size, 3),
        Containers: known(image.Containers ?? -1, String),
        VirtualSize: humanSize(image.Size),
        SharedSize: known(image.SharedSize ?? -1, humanSize),
        UniqueSize: known(image.SharedSize ?? -1, (shared) => humanSize(image.Size - shared)),
      }),
    ),
  );
}
