import { TareError } from '../../base/errors.ts';
import type { CgroupAbilities, MachineFacts, SpecResources, Throttle } from './input.ts';
import type { OciResources, OciThrottleDevice } from './oci-spec.ts';

/** The kernel's own period for CPU quotas, microseconds; `--cpus` is counted in it. */
const CFS_PERIOD = 100_000;
const NANO = 1e9;

/** dockerd's warning about a container that may take all memory of the machine and is not killed for it. */
export const NO_KILLER_NO_LIMIT =
  'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.';

/**
 * Discards the limits that this kernel does not have and says so in dockerd's words. Called at create, for the
 * warnings in the answer, and at every start, because the machine may be another one. Throws `invalid` where
 * dockerd refuses instead.
 */
export function adaptResources<T extends SpecResources>(
  resources: T,
  can: CgroupAbilities,
): { resources: T; warnings: string[] } {
  const warnings: string[] = [];
  const changed: { -readonly [Key in keyof SpecResources]?: SpecResources[Key] } = {};
  const discard = (change: Partial<SpecResources>, warning: string): void => {
    Object.assign(changed, change);
    warnings.push(warning);
  };
  const { memory, memorySwap, memoryReservation, memorySwappiness, oomKillDisable } = resources;
  const kernel = 'Your kernel does not support';
  if (memory > 0 && !can.memory) {
    discard(
      { memory: 0, memorySwap: -1 },
      `${kernel} memory limit capabilities or the cgroup is not mounted. Limitation discarded.`,
    );
  } else if (memory > 0 && memorySwap !== -1 && !can.swap) {
    discard(
      { memorySwap: -1 },
      `${kernel} swap limit capabilities or the cgroup is not mounted. Memory limited without swap.`,
    );
  } else if (memory > 0 && memorySwap === 0) {
    // Docker's default: as much swap as memory.
    changed.memorySwap = memory * 2;
  }
  if (memorySwappiness !== null && memorySwappiness !== -1 && !can.swappiness) {
    discard(
      { memorySwappiness: null },
      `${kernel} memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.`,
    );
  }
  if (memoryReservation > 0 && !can.memoryReservation) {
    discard(
      { memoryReservation: 0 },
      `${kernel} memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.`,
    );
  }
  if (oomKillDisable && !can.oomKillDisable) {
    discard({ oomKillDisable: null }, `${kernel} OomKillDisable. OomKillDisable discarded.`);
  } else if (oomKillDisable && memory === 0) {
    warnings.push(NO_KILLER_NO_LIMIT);
  }
  if (resources.pidsLimit !== null && resources.pidsLimit > 0 && !can.pids) {
    discard(
      { pidsLimit: null },
      `${kernel} PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.`,
    );
  }
  if (Object.keys(resources.cgroupConf ?? {}).length > 0 && !can.unified) {
    discard({ cgroupConf: {} }, `${kernel} cgroup v2 or it is not mounted. Cgroup configuration discarded.`);
  }
  adaptCpu(resources, can, discard);
  adaptBlockIo(resources, can, discard);
  return { resources: { ...resources, ...changed }, warnings };
}

type Discard = (change: Partial<SpecResources>, warning: string) => void;

function adaptCpu(resources: SpecResources, can: CgroupAbilities, discard: Discard): void {
  const kernel = 'Your kernel does not support';
  if (resources.nanoCpus > 0 && !can.cpuCfs) {
    throw new TareError(
      'invalid',
      'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    );
  }
  if (resources.cpuShares > 0 && !can.cpuShares) {
    discard({ cpuShares: 0 }, `${kernel} CPU shares or the cgroup is not mounted. Shares discarded.`);
  }
  if ((resources.cpuPeriod > 0 || resources.cpuQuota !== 0) && !can.cpuCfs) {
    discard({ cpuPeriod: 0, cpuQuota: 0 }, `${kernel} CPU CFS scheduler. CPU period/quota discarded.`);
  }
  if ((resources.cpuRealtimePeriod > 0 || resources.cpuRealtimeRuntime > 0) && !can.cpuRealtime) {
    throw new TareError('invalid', `${kernel} CPU real-time scheduler`);
  }
  if ((resources.cpusetCpus !== '' || resources.cpusetMems !== '') && !can.cpuset) {
    discard(
      { cpusetCpus: '', cpusetMems: '' },
      `${kernel} cpuset or the cgroup is not mounted. Cpuset discarded.`,
    );
  }
}

function adaptBlockIo(resources: SpecResources, can: CgroupAbilities, discard: Discard): void {
  const kernel = 'Your kernel does not support';
  if (resources.blkioWeight > 0 && !can.blkioWeight) {
    discard({ blkioWeight: 0 }, `${kernel} Block I/O weight or the cgroup is not mounted. Weight discarded.`);
  }
  if (resources.blkioWeightDevice.length > 0 && !can.blkioWeightDevice) {
    discard(
      { blkioWeightDevice: [] },
      `${kernel} Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.`,
    );
  }
  if (can.blkioThrottle) return;
  const throttles = [
    ['blkioDeviceReadBps', 'BPS', 'read'],
    ['blkioDeviceWriteBps', 'BPS', 'write'],
    ['blkioDeviceReadIOps', 'IOPS', 'read'],
    ['blkioDeviceWriteIOps', 'IOPS', 'write'],
  ] as const;
  for (const [key, unit, direction] of throttles) {
    if (resources[key].length === 0) continue;
    discard(
      { [key]: [] },
      `${kernel} ${unit} Block I/O ${direction} limit or the cgroup is not mounted. Block I/O ${unit} ${direction} limit discarded.`,
    );
  }
}

/** Adapted limits in OCI's form (config-linux.md, "Control groups"). Throws `invalid` for an unknown block device. */
export function ociLimits(resources: SpecResources, machine: MachineFacts): Omit<OciResources, 'devices'> {
  const memory = memoryLimits(resources);
  const cpu = cpuLimits(resources);
  const blockIO = blockLimits(resources, machine);
  const { pidsLimit, cgroupConf = {} } = resources;
  return {
    ...(memory && { memory }),
    ...(cpu && { cpu }),
    ...(pidsLimit !== null && pidsLimit > 0 && { pids: { limit: pidsLimit } }),
    ...(blockIO && { blockIO }),
    ...(machine.cgroupVersion === 2 && Object.keys(cgroupConf).length > 0 && { unified: cgroupConf }),
  };
}

/** The object, or undefined when it has no fields: crun looks at what is there. */
function nonEmpty<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}

function memoryLimits(resources: SpecResources): OciResources['memory'] {
  const { memory, memoryReservation, memorySwap, memorySwappiness, oomKillDisable } = resources;
  return nonEmpty({
    ...(memory > 0 && { limit: memory }),
    ...(memoryReservation > 0 && { reservation: memoryReservation }),
    ...(memorySwap !== 0 && (memory > 0 || memorySwap > 0) && { swap: memorySwap }),
    ...(memorySwappiness !== null && memorySwappiness >= 0 && { swappiness: memorySwappiness }),
    ...(oomKillDisable && { disableOOMKiller: true }),
  });
}

function cpuLimits(resources: SpecResources): OciResources['cpu'] {
  const { cpuShares, cpuPeriod, cpuQuota, nanoCpus, cpusetCpus, cpusetMems } = resources;
  const { cpuRealtimePeriod, cpuRealtimeRuntime } = resources;
  return nonEmpty({
    ...(cpuShares > 0 && { shares: Math.max(2, cpuShares) }),
    ...(nanoCpus > 0 && { period: CFS_PERIOD, quota: Math.floor((nanoCpus * CFS_PERIOD) / NANO) }),
    ...(cpuPeriod > 0 && { period: cpuPeriod }),
    ...(cpuQuota !== 0 && { quota: cpuQuota }),
    ...(cpuRealtimePeriod > 0 && { realtimePeriod: cpuRealtimePeriod }),
    ...(cpuRealtimeRuntime > 0 && { realtimeRuntime: cpuRealtimeRuntime }),
    ...(cpusetCpus !== '' && { cpus: cpusetCpus }),
    ...(cpusetMems !== '' && { mems: cpusetMems }),
  });
}

function blockLimits(resources: SpecResources, machine: MachineFacts): OciResources['blockIO'] {
  const numbers = (path: string): { major: number; minor: number } => {
    const found = machine.blockDevices(path);
    if (!found) throw new TareError('invalid', `no such block device: ${path}`);
    return found;
  };
  const throttled = (list: readonly Throttle[]): OciThrottleDevice[] =>
    list.map(({ path, rate }) => ({ ...numbers(path), rate }));
  const { blkioDeviceReadBps, blkioDeviceWriteBps, blkioDeviceReadIOps, blkioDeviceWriteIOps } = resources;
  return nonEmpty({
    ...(resources.blkioWeight > 0 && { weight: resources.blkioWeight }),
    ...(resources.blkioWeightDevice.length > 0 && {
      weightDevice: resources.blkioWeightDevice.map(({ path, weight }) => ({ ...numbers(path), weight })),
    }),
    ...(blkioDeviceReadBps.length > 0 && { throttleReadBpsDevice: throttled(blkioDeviceReadBps) }),
    ...(blkioDeviceWriteBps.length > 0 && { throttleWriteBpsDevice: throttled(blkioDeviceWriteBps) }),
    ...(blkioDeviceReadIOps.length > 0 && { throttleReadIOPSDevice: throttled(blkioDeviceReadIOps) }),
    ...(blkioDeviceWriteIOps.length > 0 && { throttleWriteIOPSDevice: throttled(blkioDeviceWriteIOps) }),
  });
}
