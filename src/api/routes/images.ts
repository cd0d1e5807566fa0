import { isKind } from '../../base/errors.ts';
import type { Container } from '../../engine/containers/model.ts';
import type { ImageTarget } from '../../engine/images/image-manifests.ts';
import type { Image, ImageRemoval, ImageService } from '../../engine/images/images.ts';
import type { Filters } from '../../wire/filters.ts';
import type { ImageDeleteItem, ImageSummary, ManifestSummary } from '../../wire/images.ts';
import {
  imageHistory,
  inspectImage,
  manifestSummaries,
  sharedSizes,
  summarizeImage,
} from '../convert/image.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { onePlatform, platforms } from '../platform-query.ts';
import { pruneTest } from '../prune.ts';
import { filters, flag, text } from '../query.ts';
import { referenceMatcher } from '../reference-pattern.ts';
import type { Route } from '../router.ts';
import { nanosToMillis, parseMoment } from '../time.ts';

interface Dependencies {
  readonly images: Pick<
    ImageService,
    'get' | 'find' | 'list' | 'target' | 'usersOf' | 'tag' | 'remove' | 'prune' | 'layerSize'
  >;
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
  const manifestsOf = (target: ImageTarget): ManifestSummary[] =>
    manifestSummaries(
      target,
      (id) => images.find(id),
      (id) => images.usersOf(id),
    );

  async function list(x: Exchange): Promise<void> {
    const given = filters(x).restrictTo(LIST_FILTERS);
    const matches = imageTest(given, images, now());
    const all = images.list();
    const parents = new Set(all.map((image) => image.parent));
    const references = given.get('reference').map(referenceMatcher);
    const found = all
      .filter((image) => flag(x, 'all') || image.repoTags.length > 0 || !parents.has(image.id))
      .filter(matches)
      .sort((a, b) => b.createdAt - a.createdAt);
    const withManifests = x.version >= 47 && flag(x, 'manifests');
    const shared =
      x.version >= 42 && flag(x, 'shared-size')
        ? sharedSizes(all, (diffId) => images.layerSize(diffId))
        : undefined;
    const counted = withManifests || shared !== undefined;
    const summaries: ImageSummary[] = [];
    for (const image of found) {
      const summary = summarizeImage(
        onlyNames(image, references),
        x.version,
        counted ? images.usersOf(image.id).length : -1,
        shared?.get(image.id) ?? -1,
      );
      if (x.version >= 48 || withManifests) {
        const target = await images.target(image);
        if (x.version >= 48 && target.descriptor) summary.Descriptor = target.descriptor;
        if (withManifests) summary.Manifests = manifestsOf(target);
      }
      summaries.push(summary);
    }
    x.json(200, summaries);
  }

  async function inspect(x: Exchange): Promise<void> {
    const withManifests = x.version >= 48 && flag(x, 'manifests');
    const platform = x.version >= 49 ? onePlatform(x) : undefined;
    if (withManifests && platform) {
      throw new HttpError(400, 'conflicting options: manifests and platform options cannot both be set');
    }
    const image = images.get(x.param, platform);
    const answer = inspectImage(image, storageDriver, x.version);
    if (x.version >= 48) {
      const target = await images.target(image);
      if (target.descriptor) answer.Descriptor = target.descriptor;
      if (withManifests) answer.Manifests = manifestsOf(target);
    }
    x.json(200, answer);
  }

  return [
    { method: 'GET', pattern: '/images/json', handle: list },
    { method: 'GET', pattern: '/images/{name*}/json', handle: inspect },
    {
      method: 'GET',
      pattern: '/images/{name*}/history',
      handle: (x) =>
        x.json(
          200,
          imageHistory(
            images.get(x.param, x.version >= 48 ? onePlatform(x) : undefined),
            (diffId) => images.layerSize(diffId),
            (id) => images.find(id),
          ),
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
        if (x.version >= 50) for (const platform of platforms(x, 'platforms')) images.get(x.param, platform);
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
        const { removed, reclaimed } = await images.prune(!dangling, (image) =>
          prunable(image.config.config?.Labels, image.createdAt),
        );
        x.json(200, {
          ImagesDeleted: removed.length === 0 ? null : removed.map(removalToWire),
          SpaceReclaimed: reclaimed,
        });
      },
    },
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
