import { isKind } from '../../base/errors.ts';
import type { Container } from '../../engine/containers/model.ts';
import type { Image, ImageRemoval, ImageService } from '../../engine/images/images.ts';
import type { Filters } from '../../wire/filters.ts';
import type { ImageDeleteItem } from '../../wire/images.ts';
import { imageHistory, inspectImage, summarizeImage } from '../convert/image.ts';
import { HttpError, notYet } from '../errors.ts';
import { pruneTest } from '../prune.ts';
import { filters, flag, text } from '../query.ts';
import { referenceMatcher } from '../reference-pattern.ts';
import type { Route } from '../router.ts';
import { nanosToMillis, parseMoment } from '../time.ts';

interface Dependencies {
  readonly images: Pick<ImageService, 'get' | 'list' | 'tag' | 'remove' | 'prune' | 'layerSize'>;
  readonly storageDriver: string;
  readonly now: () => number;
}

const LIST_FILTERS: ReadonlySet<string> = new Set([
  'dangling',
  'label',
  'label!',
  'before',
  'since',
  'reference',
  'until',
]);
const PRUNE_FILTERS: ReadonlySet<string> = new Set(['dangling', 'label', 'label!', 'until']);

/** Looking at, naming and removing images. */
export function imageRoutes({ images, storageDriver, now }: Dependencies): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/images/json',
      handle(x) {
        const given = filters(x).restrictTo(LIST_FILTERS);
        const matches = imageTest(given, images, now());
        const all = images.list();
        const parents = new Set(all.map((image) => image.parent));
        const references = given.get('reference').map(referenceMatcher);
        const found = all
          .filter((image) => flag(x, 'all') || image.repoTags.length > 0 || !parents.has(image.id))
          .filter(matches)
          .sort((a, b) => b.createdAt - a.createdAt);
        x.json(
          200,
          found.map((image) => summarizeImage(onlyNames(image, references), x.version, -1, -1)),
        );
      },
    },
    {
      method: 'GET',
      pattern: '/images/{name*}/json',
      handle: (x) => x.json(200, inspectImage(images.get(x.param), storageDriver, x.version)),
    },
    {
      method: 'GET',
      pattern: '/images/{name*}/history',
      handle: (x) =>
        x.json(
          200,
          imageHistory(images.get(x.param), (diffId) => images.layerSize(diffId)),
        ),
    },
    {
      method: 'POST',
      pattern: '/images/{name*}/tag',
      async handle(x) {
        const repo = text(x, 'repo');
        const tag = text(x, 'tag');
        await images.tag(x.param, tag === '' ? repo : `${repo}:${tag}`);
        x.empty(201);
      },
    },
    {
      method: 'DELETE',
      pattern: '/images/{name*}',
      async handle(x) {
        const removals = await images.remove(x.param, {
          force: flag(x, 'force'),
          noPrune: flag(x, 'noprune'),
        });
        x.json(200, removals.map(removalToWire));
      },
    },
    {
      method: 'POST',
      pattern: '/images/prune',
      async handle(x) {
        const given = filters(x).restrictTo(PRUNE_FILTERS);
        const dangling = given.bool('dangling', true);
        const prunable = pruneTest(given, now());
        const { removed, reclaimed } = await images.prune(
          (image) =>
            (!dangling || image.repoTags.length === 0) &&
            prunable(image.config.config?.Labels, image.createdAt),
        );
        x.json(200, {
          ImagesDeleted: removed.length === 0 ? null : removed.map(removalToWire),
          SpaceReclaimed: reclaimed,
        });
      },
    },
    { method: 'POST', pattern: '/images/{name*}/push', handle: () => Promise.reject(notYet('push')) },
    { method: 'GET', pattern: '/images/search', handle: () => Promise.reject(notYet('search')) },
  ];
}

/** With a `reference` filter, an image shows only the names that the filter lets through. */
function onlyNames(image: Image, references: ReadonlyArray<(name: string) => boolean>): Image {
  if (references.length === 0) return image;
  const passes = (name: string): boolean => references.some((matches) => matches(name));
  return { ...image, repoTags: image.repoTags.filter(passes), repoDigests: image.repoDigests.filter(passes) };
}

function removalToWire(removal: ImageRemoval): ImageDeleteItem {
  return 'untagged' in removal ? { Untagged: removal.untagged } : { Deleted: removal.deleted };
}

function imageTest(
  given: Filters,
  images: Pick<ImageService, 'get'>,
  now: number,
): (image: Image) => boolean {
  const createdAt = (name: string) =>
    given.get(name).map((ref) => {
      try {
        return images.get(ref).createdAt;
      } catch (error) {
        if (isKind(error, 'not-found')) throw new HttpError(404, `No such image: ${ref}`);
        throw error;
      }
    });
  const before = Math.min(
    ...createdAt('before'),
    ...given.get('until').map((moment) => nanosToMillis(parseMoment(moment, now))),
  );
  const since = Math.max(...createdAt('since'));
  const dangling = given.has('dangling') ? given.bool('dangling', false) : undefined;
  const references = given.get('reference').map(referenceMatcher);
  return (image) => {
    const labels = image.config.config?.Labels;
    return (
      image.createdAt < before &&
      image.createdAt > since &&
      (dangling === undefined || dangling === (image.repoTags.length === 0)) &&
      given.prunable(labels) &&
      (references.length === 0 ||
        [...image.repoTags, ...image.repoDigests].some((name) => references.some((match) => match(name))))
    );
  };
}

/** How many containers use each image, by image id. */
export function containersByImage(containers: readonly Container[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { imageId } of containers) counts.set(imageId, (counts.get(imageId) ?? 0) + 1);
  return counts;
}
