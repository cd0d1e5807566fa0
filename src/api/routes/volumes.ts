import type { ContainerService } from '../../engine/containers/containers.ts';
import type { Volume, VolumeService } from '../../engine/volumes/volumes.ts';
import type { Filters } from '../../wire/filters.ts';
import { readJson } from '../body.ts';
import { createVolumeBody } from '../codec/bodies.ts';
import { volumeToWire } from '../convert/volume.ts';
import { HttpError } from '../errors.ts';
import { pruneTest } from '../prune.ts';
import { filters, flag } from '../query.ts';
import type { Route } from '../router.ts';

interface Dependencies {
  readonly volumes: VolumeService;
  readonly containers: Pick<ContainerService, 'list'>;
  readonly now: () => number;
}

const LIST_FILTERS: ReadonlySet<string> = new Set(['dangling', 'driver', 'label', 'name']);
const PRUNE_FILTERS: ReadonlySet<string> = new Set(['label', 'label!', 'all']);

/** Volumes. */
export function volumeRoutes({ volumes, containers, now }: Dependencies): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/volumes',
      async handle(x) {
        const given = filters(x).restrictTo(LIST_FILTERS);
        const matches = volumeTest(given, () => volumeUsers(containers));
        const { volumes: all, warnings } = await volumes.listAll();
        const found = all.filter(matches).map((volume) => volumeToWire(volume));
        x.json(200, { Volumes: found, Warnings: warnings.length === 0 ? null : warnings });
      },
    },
    {
      method: 'GET',
      pattern: '/volumes/{name*}',
      handle: async (x) => x.json(200, volumeToWire(await volumes.inspect(x.param))),
    },
    {
      method: 'POST',
      pattern: '/volumes/create',
      async handle(x) {
        const volume = await volumes.create(await readJson(x, createVolumeBody));
        x.json(201, volumeToWire(volume));
      },
    },
    {
      method: 'POST',
      pattern: '/volumes/prune',
      async handle(x) {
        const given = filters(x).restrictTo(PRUNE_FILTERS);
        // Named volumes are spared since API 1.42 unless they are asked for.
        const all = x.version < 42 || given.bool('all', false);
        const prunable = pruneTest(given, now());
        const { deleted, reclaimed } = await volumes.prune(
          (volume) => (all || volume.anonymous) && prunable(volume.labels, volume.createdAt),
        );
        x.json(200, { VolumesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed });
      },
    },
    {
      method: 'PUT',
      pattern: '/volumes/{name*}',
      minVersion: 42,
      handle() {
        throw new HttpError(503, 'volume update only valid for cluster volumes, but swarm is unavailable');
      },
    },
    {
      method: 'DELETE',
      pattern: '/volumes/{name*}',
      async handle(x) {
        await volumes.remove(x.param, flag(x, 'force'));
        x.empty(204);
      },
    },
  ];
}

/** How many containers have each volume mounted, by its name. */
export function volumeUsers(containers: Pick<ContainerService, 'list'>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { mounts } of containers.list()) {
    for (const name of new Set(mounts.map((mount) => mount.name))) {
      if (name !== '') counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return counts;
}

function volumeTest(given: Filters, users: () => ReadonlyMap<string, number>): (volume: Volume) => boolean {
  const dangling = given.has('dangling') ? given.bool('dangling', false) : undefined;
  const inUse = dangling === undefined ? undefined : users();
  const names = given.get('name');
  return (volume) =>
    given.exact('driver', volume.driver) &&
    given.labels('label', volume.labels) &&
    (names.length === 0 || names.some((name) => volume.name.includes(name))) &&
    (inUse === undefined || dangling === !inUse.has(volume.name));
}
