import { TareError } from '../../base/errors.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import type { OciResources } from '../../runtime/spec/oci-spec.ts';
import { ociLimits } from '../../runtime/spec/resources.ts';
import type { Resources } from './model.ts';

/** No limits at all. */
export const NO_RESOURCES: Resources = {
  cpuShares: 0,
  memory: 0,
  nanoCpus: 0,
  cgroupParent: '',
  blkioWeight: 0,
  blkioWeightDevice: [],
  blkioDeviceReadBps: [],
  blkioDeviceWriteBps: [],
  blkioDeviceReadIOps: [],
  blkioDeviceWriteIOps: [],
  cpuPeriod: 0,
  cpuQuota: 0,
  cpuRealtimePeriod: 0,
  cpuRealtimeRuntime: 0,
  cpusetCpus: '',
  cpusetMems: '',
  devices: [],
  deviceCgroupRules: [],
  deviceRequests: [],
  memoryReservation: 0,
  memorySwap: 0,
  memorySwappiness: null,
  oomKillDisable: null,
  pidsLimit: null,
  ulimits: [],
};

/** What is no limit of a cgroup cannot be changed while a container lives: dockerd passes these over too. */
const FIXED: readonly string[] = [
  'cgroupParent',
  'devices',
  'deviceCgroupRules',
  'deviceRequests',
  'ulimits',
];

/** The changes among what a request says: zero means "as it is". */
export function givenLimits(request: Resources): Partial<Resources> {
  const given = Object.entries(request).filter(([key, value]) => {
    if (FIXED.includes(key) || value === null || value === undefined) return false;
    // These two tell "not given" (null) from "none".
    if (key === 'pidsLimit' || key === 'oomKillDisable') return true;
    if (key === 'memorySwappiness') return value !== -1;
    if (typeof value === 'object') return Object.keys(value).length > 0;
    return value !== 0 && value !== '';
  });
  return Object.fromEntries(given);
}

function conflict(message: string): TareError {
  return new TareError('conflict', message);
}

/**
 * A container's limits with the changes. Pure.
 * @throws TareError `conflict` in dockerd's words where the two do not go together.
 */
export function mergeLimits(current: Resources, given: Partial<Resources>): Resources {
  const { nanoCpus = 0, cpuPeriod = 0, cpuQuota = 0, memory = 0 } = given;
  if (nanoCpus > 0 && current.cpuPeriod > 0) {
    throw conflict('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  }
  if (nanoCpus > 0 && current.cpuQuota > 0) {
    throw conflict('Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set');
  }
  if (cpuPeriod > 0 && current.nanoCpus > 0) {
    throw conflict('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set');
  }
  if (cpuQuota > 0 && current.nanoCpus > 0) {
    throw conflict('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set');
  }
  if (memory > current.memorySwap && given.memorySwap === undefined && current.memorySwap >= 0) {
    throw conflict(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  const merged: Resources = { ...current, ...given };
  if (given.cgroupConf) merged.cgroupConf = { ...current.cgroupConf, ...given.cgroupConf };
  if (given.memorySwap !== undefined && merged.memorySwap > 0) {
    if (merged.memory === 0) {
      throw conflict('You should always set the Memory limit when using Memoryswap limit, see usage');
    }
    if (merged.memorySwap < merged.memory) {
      throw conflict('Minimum memoryswap limit should be larger than memory limit, see usage');
    }
  }
  if (merged.memory > 0 && merged.memoryReservation > merged.memory) {
    throw conflict('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  return merged;
}

/** What to write so that a living container has `after` instead of `before`. Throws as `ociLimits`. */
export function limitChanges(before: Resources, after: Resources, machine: MachineFacts): OciResources {
  const limits = ociLimits(after, machine);
  const noPids = after.pidsLimit === null || after.pidsLimit <= 0;
  const killerBack = before.oomKillDisable && !after.oomKillDisable;
  return {
    ...limits,
    ...(killerBack && { memory: { ...limits.memory, disableOOMKiller: false } }),
    ...(noPids && before.pidsLimit !== null && before.pidsLimit > 0 && { pids: { limit: -1 } }),
  };
}
