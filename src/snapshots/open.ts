import { existsSync, readdirSync } from 'node:fs';
import { isKind, type TareError } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import { DirectoryLayers } from './directories/directory-layers.ts';
import { ErofsLayers } from './erofs/erofs-layers.ts';
import { whyNoErofs } from './erofs/probe.ts';
import { OverlaySnapshotter } from './overlay/overlay.ts';
import type { Snapshotter } from './snapshots.ts';

/** How layers are kept: `overlay` as directories, `erofs` as tars with an index. */
export type StorageDriver = 'overlay' | 'erofs';

/**
 * Opens the snapshotter below `dataRoot`, each driver in a folder of its own. Without a `driver`, what the data root
 * has already goes on (as dockerd does), and a new one gets EROFS where it can be mounted from there. `why` says why
 * it is not EROFS. Throws `not-implemented` when EROFS was asked for and cannot be had.
 */
export function openSnapshotter(
  dataRoot: string,
  driver: StorageDriver | undefined,
  logger: Logger,
): { snapshotter: Snapshotter; why: string } {
  if (driver === 'overlay')
    return { snapshotter: overlaySnapshotter(`${dataRoot}/overlay`, logger), why: 'chosen' };
  if (driver === undefined && hasLayers(`${dataRoot}/overlay`) && !hasLayers(`${dataRoot}/erofs`)) {
    const why = 'the data root has layers of this driver';
    return { snapshotter: overlaySnapshotter(`${dataRoot}/overlay`, logger), why };
  }
  const obstacle = obstacleIn(dataRoot);
  if (obstacle === undefined) return { snapshotter: erofsSnapshotter(`${dataRoot}/erofs`, logger), why: '' };
  if (driver === 'erofs' || hasLayers(`${dataRoot}/erofs`)) throw obstacle;
  return { snapshotter: overlaySnapshotter(`${dataRoot}/overlay`, logger), why: obstacle.message };
}

export function overlaySnapshotter(root: string, logger: Logger = silentLogger): Snapshotter {
  return new OverlaySnapshotter('overlay', root, new DirectoryLayers(root, logger), logger);
}

export function erofsSnapshotter(root: string, logger: Logger = silentLogger): Snapshotter {
  return new OverlaySnapshotter('erofs', root, new ErofsLayers(root, logger), logger);
}

/** On a full disk the layers that are there show that it can be had: removing something must still work. */
function obstacleIn(dataRoot: string): TareError | undefined {
  try {
    return whyNoErofs(dataRoot);
  } catch (error) {
    if (isKind(error, 'exhausted') && countLayers(`${dataRoot}/erofs`) > 0) return undefined;
    throw error;
  }
}

/** True when more than the daemon's own layer is there: every container's mount points. */
function hasLayers(root: string): boolean {
  return countLayers(root) > 1;
}

function countLayers(root: string): number {
  const layers = `${root}/layers`;
  return existsSync(layers) ? readdirSync(layers).length : 0;
}
