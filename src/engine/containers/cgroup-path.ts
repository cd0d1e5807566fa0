import { resolve } from 'node:path';
import { TareError } from '../../base/errors.ts';

/** Who makes containers' cgroups: crun in the file system, or systemd as scopes (dockerd's native.cgroupdriver). */
export type CgroupDriver = 'cgroupfs' | 'systemd';

/** Where cgroups are made unless `--cgroup-parent` says: a path, or a slice. Docker's slice is this one, too. */
const PARENTS: Readonly<Record<CgroupDriver, string>> = { cgroupfs: '/tare', systemd: 'system.slice' };

/**
 * The OCI specification's `cgroupsPath` for a container: `/tare/ID`, or `system.slice:tare:ID`, which crun makes the
 * scope tare-ID.scope of. Throws `invalid` in Docker's words for a parent that is no slice where one is needed.
 */
export function cgroupsPath(id: string, asked: string, driver: CgroupDriver): string {
  const parent = asked || PARENTS[driver];
  if (driver === 'systemd') {
    if (!/^[^/]+\.slice$/.test(parent)) {
      throw new TareError(
        'invalid',
        'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
      );
    }
    return `${parent}:tare:${id}`;
  }
  // As dockerd does it: dots must not lead out of the hierarchy.
  return `${resolve('/', parent).replace(/\/+$/, '')}/${id}`;
}
