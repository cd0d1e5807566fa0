import type { CgroupAbilities } from '../../runtime/spec/input.ts';
import type { LimitSupport } from './system.ts';

/** What `info` tells of limits: the same facts by which `create` drops what the machine lacks. */
export function limitSupport(can: CgroupAbilities): LimitSupport {
  return {
    memory: can.memory,
    swap: can.swap,
    oomKillDisable: can.oomKillDisable,
    cpuCfsPeriod: can.cpuCfs,
    cpuCfsQuota: can.cpuCfs,
    cpuShares: can.cpuShares,
    cpuSet: can.cpuset,
    pids: can.pids,
  };
}

/** What is missing, in dockerd's words. v2 never had some of it, so that is worth no word there. */
export function limitWarnings(can: CgroupAbilities, version: 1 | 2): string[] {
  const v2 = version === 2;
  const missing: ReadonlyArray<readonly [boolean, string]> = [
    [!can.memory, 'memory limit'],
    [!can.swap, 'swap limit'],
    [!can.oomKillDisable && !v2, 'oom kill disable'],
    [!can.cpuCfs, 'cpu cfs quota'],
    [!can.cpuCfs, 'cpu cfs period'],
    [!can.cpuShares, 'cpu shares'],
    [!can.cpuset, 'cpuset'],
    [!can.pids, 'pids limit'],
    [!can.blkioWeight && v2, 'io.weight'],
    [!can.blkioWeightDevice && v2, 'io.weight (per device)'],
    [!can.blkioThrottle, v2 ? 'io.max (rbps)' : 'blkio throttle.read_bps_device'],
    [!can.blkioThrottle, v2 ? 'io.max (wbps)' : 'blkio throttle.write_bps_device'],
    [!can.blkioThrottle, v2 ? 'io.max (riops)' : 'blkio throttle.read_iops_device'],
    [!can.blkioThrottle, v2 ? 'io.max (wiops)' : 'blkio throttle.write_iops_device'],
  ];
  return missing.flatMap(([lacks, what]) => (lacks ? [`WARNING: No ${what} support`] : []));
}
