import type { MachineFacts, SpecInput, SpecResources } from './input.ts';
import { parseSecurityOptions } from './security-options.ts';

/** For tests: no limits. */
export const NO_LIMITS: SpecResources = {
  cpuShares: 0,
  memory: 0,
  nanoCpus: 0,
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
  memoryReservation: 0,
  memorySwap: 0,
  memorySwappiness: null,
  oomKillDisable: null,
  pidsLimit: null,
};

/** For tests: a container with nothing asked for on `machine`. */
export function plainInput(machine: MachineFacts, id: string, args: readonly string[]): SpecInput {
  return {
    id,
    rootfs: '/run/tare/c/rootfs',
    readonlyRootfs: false,
    args,
    env: [],
    workingDir: '',
    terminal: false,
    consoleSize: undefined,
    user: { uid: 0, gid: 0, additionalGids: [0], home: '/root' },
    hostname: id.slice(0, 12),
    domainname: '',
    privileged: false,
    capAdd: [],
    capDrop: [],
    security: parseSecurityOptions([]),
    namespaces: { network: 'private', pid: 'private', ipc: 'private', uts: 'private', cgroup: 'host' },
    shm: { size: 0 },
    mounts: [],
    init: undefined,
    devices: [],
    deviceCgroupRules: [],
    resources: NO_LIMITS,
    ulimits: [],
    oomScoreAdj: 0,
    sysctls: {},
    annotations: {},
    cgroupsPath: `/tare/${id}`,
    maskedPaths: null,
    readonlyPaths: null,
    machine,
  };
}
