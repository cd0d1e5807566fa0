import type { DiskUse, ImageDiskUse } from '../../engine/images/disk-use.ts';
import type { DiskUsageResponse } from '../../wire/system.ts';
import { summarizeContainer } from '../convert/container.ts';
import { sharedSizes, summarizeImage } from '../convert/image.ts';
import { infoToWire, versionToWire } from '../convert/system.ts';
import { volumeToWire } from '../convert/volume.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { flag } from '../query.ts';
import type { Route } from '../router.ts';
import { cacheRecordToWire } from './build-cache.ts';
import { imageNames } from './container-list.ts';
import { containersByImage } from './images.ts';
import { volumeUsers } from './volumes.ts';

type Dependencies = Pick<
  ApiDependencies,
  'system' | 'containers' | 'images' | 'volumes' | 'buildCache' | 'version' | 'now'
>;

/** Headers of `/_ping`. Builder-Version 2: BuildKit's protocol is spoken on `/grpc`. */
const PING_HEADERS = {
  'Builder-Version': '2',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  Swarm: 'inactive',
};

const DISK_USAGE_TYPES: readonly string[] = ['container', 'image', 'volume', 'build-cache'];

/** Facts about the daemon and its machine. */
export function systemRoutes(dependencies: Dependencies): Route[] {
  const { system, version } = dependencies;
  return [
    { method: 'GET', pattern: '/_ping', handle: (x) => x.text(200, 'OK', PING_HEADERS) },
    { method: 'HEAD', pattern: '/_ping', handle: (x) => x.text(200, '', PING_HEADERS) },
    { method: 'GET', pattern: '/version', handle: (x) => x.json(200, versionToWire(system.version())) },
    {
      method: 'GET',
      pattern: '/info',
      handle: async (x) => x.json(200, infoToWire(await system.info(), version, x.version)),
    },
    {
      method: 'GET',
      pattern: '/system/df',
      handle: async (x) => x.json(200, await diskUsage(dependencies, x)),
    },
  ];
}

function diskUseToWire({ byImage, ...all }: ImageDiskUse): NonNullable<DiskUsageResponse['TareLayers']> {
  const toWire = ({ trees, compressed }: DiskUse) => ({ Trees: trees, Compressed: compressed });
  return { ...toWire(all), Images: [...byImage].map(([id, use]) => ({ Id: id, ...toWire(use) })) };
}

async function diskUsage(dependencies: Dependencies, x: Exchange): Promise<DiskUsageResponse> {
  const { containers, images, volumes, buildCache, now } = dependencies;
  const types = x.query.getAll('type');
  const unknown = types.find((type) => !DISK_USAGE_TYPES.includes(type));
  if (unknown !== undefined) throw new HttpError(400, `unknown object type: ${unknown}`);
  const wants = (type: string) => types.length === 0 || types.includes(type);
  const usage: DiskUsageResponse = {};
  if (wants('image')) {
    const counts = containersByImage(containers.list());
    const all = images.list();
    const shared = sharedSizes(all, (diffId) => images.layerSize(diffId));
    usage.LayersSize = images.layersSize();
    usage.Images = all.map((image) =>
      summarizeImage(image, x.version, counts.get(image.id) ?? 0, shared.get(image.id) ?? 0),
    );
    if (flag(x, 'tare')) usage.TareLayers = diskUseToWire(await images.diskUse());
  }
  if (wants('container')) {
    const imageName = imageNames(images);
    const at = now();
    usage.Containers = [];
    for (const container of containers.list()) {
      const { writable, total } = await containers.size(container.id);
      // Docker leaves the logs out, and people look for them on a full disk.
      const log = containers.logSize(container.id);
      const size = { writable: writable + log, total: total + log };
      const summary = summarizeContainer(container, imageName(container), at, x.version, size);
      usage.Containers.push(flag(x, 'tare') ? { ...summary, TareLogSize: log } : summary);
    }
  }
  if (wants('volume')) {
    const users = volumeUsers(containers);
    usage.Volumes = [];
    for (const volume of volumes.list()) {
      // As dockerd: a volume with a mount of its own takes nothing of this machine's disk.
      if (volume.driver !== 'local' || volume.options.type !== undefined) continue;
      const size = (await volumes.size?.(volume.name)) ?? -1;
      usage.Volumes.push(volumeToWire(volume, { size, refCount: users.get(volume.name) ?? 0 }));
    }
  }
  if (wants('build-cache')) {
    usage.BuildCache = (await buildCache.list()).map(cacheRecordToWire);
    if (x.version < 42) usage.BuilderSize = usage.BuildCache.reduce((sum, { Size }) => sum + Size, 0);
  }
  return usage;
}
