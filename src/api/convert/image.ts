import type { ImageTarget } from '../../engine/images/image-manifests.ts';
import type { Image } from '../../engine/images/images.ts';
import type { ImageHistoryItem, ImageInspect, ImageSummary, ManifestSummary } from '../../wire/images.ts';
import { rfc3339 } from '../time.ts';

/** One line of `images`. `containers`: how many use it, -1 when not counted. */
export function summarizeImage(
  image: Image,
  version: number,
  containers: number,
  shared: number,
): ImageSummary {
  // Old clients expect a placeholder for an image without a name.
  const nameless = version < 43 && image.repoTags.length === 0 && image.repoDigests.length === 0;
  const summary: ImageSummary = {
    Containers: containers,
    Created: Math.floor(image.createdAt / 1000),
    Id: image.id,
    Labels: { ...image.config.config?.Labels },
    ParentId: image.parent,
    RepoDigests: nameless ? ['<none>@<none>'] : [...image.repoDigests],
    RepoTags: nameless ? ['<none>:<none>'] : [...image.repoTags],
    SharedSize: shared,
    Size: image.size,
  };
  if (Object.keys(summary.Labels ?? {}).length === 0) summary.Labels = null;
  if (version < 44) summary.VirtualSize = image.size;
  return summary;
}

/** Answer of image inspect. */
export function inspectImage(image: Image, driver: string, version: number): ImageInspect {
  const { config } = image;
  const inspect: ImageInspect = {
    Id: image.id,
    RepoTags: [...image.repoTags],
    RepoDigests: [...image.repoDigests],
    Parent: image.parent,
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? '',
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: config.config ?? null,
    Architecture: config.architecture,
    Os: config.os,
    Size: image.size,
    GraphDriver: { Name: driver, Data: null },
    RootFS: { Type: 'layers', Layers: [...config.rootfs.diff_ids] },
    Metadata: { LastTagTime: rfc3339(image.lastTagged) },
  };
  if (config.created !== undefined) inspect.Created = config.created;
  else if (version < 44) inspect.Created = rfc3339(0);
  if (config.variant !== undefined && config.variant !== '') inspect.Variant = config.variant;
  if (config['os.version'] !== undefined) inspect.OsVersion = config['os.version'];
  if (version < 44) inspect.VirtualSize = image.size;
  if (version < 45) {
    inspect.Container = config.container ?? '';
    inspect.ContainerConfig = config.config ?? {};
  }
  return inspect;
}

/** The image's history, newest first. Steps of which the image is here have its id. */
export function imageHistory(
  image: Image,
  layerSize: (diffId: string) => number,
  find: (id: string) => Image | undefined,
): ImageHistoryItem[] {
  const layers = image.config.rootfs.diff_ids.values();
  const items = (image.config.history ?? []).map(
    (step): ImageHistoryItem => ({
      Comment: step.comment ?? '',
      Created: step.created === undefined ? 0 : Math.floor(Date.parse(step.created) / 1000),
      CreatedBy: step.created_by ?? '',
      Id: '<missing>',
      Size: step.empty_layer === true ? 0 : layerSize(layers.next().value ?? ''),
      Tags: null,
    }),
  );
  items.reverse();
  let known: Image | undefined = image;
  for (const item of items) {
    if (known === undefined) break;
    item.Id = known.id;
    item.Tags = known.repoTags.length > 0 ? [...known.repoTags] : null;
    known = known.parent === '' ? undefined : find(known.parent);
  }
  return items;
}

/** The manifests of an image; `find` gives images that are here by id, `usersOf` their containers. */
export function manifestSummaries(
  target: ImageTarget,
  find: (id: string) => Image | undefined,
  usersOf: (id: string) => ReadonlyArray<{ readonly id: string }>,
): ManifestSummary[] {
  return target.manifests.map((facts) => {
    const image = facts.imageId === undefined ? undefined : find(facts.imageId);
    const unpacked = image?.size ?? 0;
    const summary: ManifestSummary = {
      ID: facts.descriptor.digest,
      Descriptor: facts.descriptor,
      Available: image !== undefined,
      Size: { Content: facts.contentSize, Total: facts.contentSize + unpacked },
      Kind: facts.kind,
    };
    if (facts.kind === 'image') {
      summary.ImageData = {
        Platform: facts.platform ?? { os: '', architecture: '' },
        Containers: image === undefined ? [] : usersOf(image.id).map(({ id }) => id),
        Size: { Unpacked: unpacked },
      };
    }
    if (facts.kind === 'attestation') summary.AttestationData = { For: facts.attests ?? '' };
    return summary;
  });
}

/** Bytes of layers that each image has in common with others, by image id. */
export function sharedSizes(
  images: readonly Image[],
  layerSize: (diffId: string) => number,
): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const { config } of images) {
    for (const diffId of new Set(config.rootfs.diff_ids)) users.set(diffId, (users.get(diffId) ?? 0) + 1);
  }
  return new Map(
    images.map(({ id, config }) => {
      const shared = config.rootfs.diff_ids.filter((diffId) => (users.get(diffId) ?? 0) > 1);
      return [id, shared.reduce((sum, diffId) => sum + layerSize(diffId), 0)];
    }),
  );
}
