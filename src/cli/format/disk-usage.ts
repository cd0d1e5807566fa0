import type { Row } from '../../base/template/values.ts';
import type { BuildCacheRecord, DiskUsageResponse, TareDiskUse } from '../../wire/system.ts';
import { CONTAINER_LISTING, containerRow } from './container-list.ts';
import { IMAGE_LISTING, imageRows } from './image-list.ts';
import { formatListing, type Listing, row } from './listing.ts';
import { humanSize } from './size.ts';
import { ago } from './time.ts';
import { VOLUME_LISTING, volumeRow } from './volume-list.ts';

/** The columns of `tare system df`. */
export const USAGE_LISTING: Listing = {
  typeName: '*formatter.diskUsageContext',
  headings: {
    Type: 'TYPE',
    TotalCount: 'TOTAL',
    Active: 'ACTIVE',
    Size: 'SIZE',
    Reclaimable: 'RECLAIMABLE',
    Trees: 'ON DISK',
    Compressed: 'COMPRESSED',
  },
};

export const USAGE_TABLE =
  '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}\t{{.Trees}}\t{{.Compressed}}';

function usageRow(
  type: string,
  total: number,
  active: number,
  size: number,
  reclaimable: number,
  share: boolean,
  layers?: TareDiskUse,
): Row {
  const percent = share && size > 0 ? ` (${Math.trunc((reclaimable * 100) / size)}%)` : '';
  return row({
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(size),
    Reclaimable: humanSize(reclaimable) + percent,
    // Of images, what their layers take, and the compressed forms that are kept for pushing beside them.
    Trees: layers === undefined ? '' : humanSize(layers.Trees),
    Compressed: layers === undefined ? '' : humanSize(layers.Compressed),
  });
}

const sum = <T>(values: readonly T[], size: (value: T) => number): number =>
  values.reduce((total, value) => total + size(value), 0);

/** The four lines of `tare system df`. */
export function usageRows(usage: DiskUsageResponse): Row[] {
  const images = usage.Images ?? [];
  const layers = usage.LayersSize ?? 0;
  const used = images.filter((image) => image.Containers > 0);
  const usedBytes = sum(used, (image) => Math.max(0, image.Size - Math.max(0, image.SharedSize)));
  const containers = usage.Containers ?? [];
  const running = containers.filter(({ State }) => ['running', 'paused', 'restarting'].includes(State));
  const stopped = containers.filter((container) => !running.includes(container));
  const volumes = usage.Volumes ?? [];
  const volumeSize = (volume: (typeof volumes)[number]) => Math.max(0, volume.UsageData?.Size ?? 0);
  const unusedVolumes = volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) === 0);
  const cache = usage.BuildCache ?? [];
  const own = cache.filter((record) => !record.Shared);
  return [
    usageRow(
      'Images',
      images.length,
      used.length,
      layers,
      Math.max(0, layers - usedBytes),
      true,
      usage.TareLayers,
    ),
    usageRow(
      'Containers',
      containers.length,
      running.length,
      sum(containers, ({ SizeRw = 0 }) => SizeRw),
      sum(stopped, ({ SizeRw = 0 }) => SizeRw),
      true,
    ),
    usageRow(
      'Local Volumes',
      volumes.length,
      volumes.length - unusedVolumes.length,
      sum(volumes, volumeSize),
      sum(unusedVolumes, volumeSize),
      true,
    ),
    usageRow(
      'Build Cache',
      cache.length,
      cache.filter((record) => record.InUse).length,
      sum(own, (record) => record.Size),
      sum(own, (record) => (record.InUse ? 0 : record.Size)),
      false,
    ),
  ];
}

export const CACHE_LISTING: Listing = {
  typeName: '*formatter.buildCacheContext',
  headings: {
    ID: 'CACHE ID',
    CacheType: 'CACHE TYPE',
    Size: 'SIZE',
    CreatedSince: 'CREATED',
    LastUsedSince: 'LAST USED',
    UsageCount: 'USAGE',
    Shared: 'SHARED',
    Description: 'DESCRIPTION',
  },
};

export function cacheRow(record: BuildCacheRecord): Row {
  const since = (time: string | null) => (time === null || time === '' ? '' : ago(Date.parse(time) / 1000));
  return row({
    ID: record.ID.slice(0, 12) + (record.InUse ? '*' : ''),
    CacheType: record.Type,
    Size: humanSize(record.Size),
    CreatedSince: since(record.CreatedAt),
    LastUsedSince: since(record.LastUsedAt),
    UsageCount: String(record.UsageCount),
    Shared: String(record.Shared),
    Description: record.Description,
  });
}

const IMAGE_USAGE: Listing = {
  ...IMAGE_LISTING,
  headings: { ...IMAGE_LISTING.headings, Trees: 'ON DISK', Compressed: 'COMPRESSED' },
};

/** The size has the log in it. */
const CONTAINER_USAGE: Listing = {
  ...CONTAINER_LISTING,
  headings: { ...CONTAINER_LISTING.headings, Log: 'LOG' },
};

/** The lines of images with what their layers take, shared ones counted for each image. */
function imageUsageRows(usage: DiskUsageResponse): Row[] {
  const byId = new Map(usage.TareLayers?.Images.map((use) => [use.Id, use]));
  return (usage.Images ?? []).flatMap((image) => {
    const use = byId.get(image.Id);
    const columns = row({
      Trees: use === undefined ? '' : humanSize(use.Trees),
      Compressed: use === undefined ? '' : humanSize(use.Compressed),
    });
    return imageRows([image], { trunc: true, digests: false }).map((one) => Object.assign(one, columns));
  });
}

/** What `tare system df -v` prints. */
export function usageDetails(usage: DiskUsageResponse): string {
  const trunc = { trunc: true, digests: false, size: true };
  const images = imageUsageRows(usage);
  const containers = (usage.Containers ?? []).map((container) => {
    // Written bytes only: what the image has is in the list above.
    const { SizeRootFs: _, ...own } = container;
    const Log = humanSize(container.TareLogSize ?? 0, 3);
    return Object.assign(containerRow(own, trunc), row({ Log }));
  });
  const cache = usage.BuildCache ?? [];
  const cacheSize = cache.filter((record) => !record.Shared).reduce((total, { Size }) => total + Size, 0);
  const volumes = usage.Volumes ?? [];
  return [
    'Images space usage:\n\n',
    formatListing(
      IMAGE_USAGE,
      '',
      '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Trees}}\t{{.Compressed}}\t{{.Containers}}',
      images,
    ),
    '\nContainers space usage:\n\n',
    formatListing(
      CONTAINER_USAGE,
      '',
      '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.Log}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}',
      containers,
    ),
    '\nLocal Volumes space usage:\n\n',
    formatListing(VOLUME_LISTING, '', '{{.Name}}\t{{.Links}}\t{{.Size}}', volumes.map(volumeRow)),
    `\nBuild cache usage: ${humanSize(cacheSize)}\n\n`,
    formatListing(
      CACHE_LISTING,
      '',
      '{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}',
      cache.map(cacheRow),
    ),
  ].join('');
}
