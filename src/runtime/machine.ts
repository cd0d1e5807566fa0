import { existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { CgroupLayout } from './cgroups/cgroup.ts';
import { readLayout } from './cgroups/layout.ts';
import { capabilitiesOfMask } from './spec/capabilities.ts';
import { deviceNumbers } from './spec/device-numbers.ts';
import type { CgroupAbilities, MachineFacts } from './spec/input.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', riscv64: 'riscv64' };

/** Names of /proc/self/limits (proc(5)) and Docker's. */
const LIMITS: Readonly<Record<string, string>> = {
  'Max cpu time': 'cpu',
  'Max file size': 'fsize',
  'Max data size': 'data',
  'Max stack size': 'stack',
  'Max core file size': 'core',
  'Max resident set': 'rss',
  'Max processes': 'nproc',
  'Max open files': 'nofile',
  'Max locked memory': 'memlock',
  'Max address space': 'as',
  'Max file locks': 'locks',
  'Max pending signals': 'sigpending',
  'Max msgqueue size': 'msgqueue',
  'Max nice priority': 'nice',
  'Max realtime priority': 'rtprio',
  'Max realtime timeout': 'rttime',
};

/** Looks at the machine and at what this process may do. Cheap enough for a start-up: files of /proc and /sys. */
export function readMachine(): MachineFacts {
  const layout = readLayout();
  const status = readFileSync('/proc/self/status', 'utf8');
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const hardLimits: Record<string, number> = {};
  for (const line of readFileSync('/proc/self/limits', 'utf8').split('\n')) {
    const name = LIMITS[line.slice(0, 25).trim()];
    const hard = line.slice(47, 67).trim();
    if (name) hardLimits[name] = hard === 'unlimited' ? -1 : Number(hard);
  }
  return {
    cgroupVersion: layout.version,
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    kernelRelease: release(),
    capabilities: capabilitiesOfMask(bounding),
    hardLimits,
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
    apparmor: text('/sys/module/apparmor/parameters/enabled') === 'Y',
    cgroups: layout.version === 2 ? unifiedAbilities(layout) : legacyAbilities(layout),
    blockDevices: (path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat?.isBlockDevice() ? deviceNumbers(stat.rdev) : undefined;
    },
  };
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** cgroup v1: a limit is there when its file is in the root of its hierarchy. */
function legacyAbilities(layout: CgroupLayout): CgroupAbilities {
  const has = (controller: string, file: string): boolean => {
    const base = layout.controller(controller);
    return base !== undefined && existsSync(join(base, file));
  };
  return {
    memory: has('memory', 'memory.limit_in_bytes'),
    swap: has('memory', 'memory.memsw.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    swappiness: has('memory', 'memory.swappiness'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuCfs: has('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: has('cpu', 'cpu.rt_runtime_us'),
    cpuset: has('cpuset', 'cpuset.cpus'),
    pids: layout.controller('pids') !== undefined,
    blkioWeight: has('blkio', 'blkio.weight') || has('blkio', 'blkio.bfq.weight'),
    blkioWeightDevice: has('blkio', 'blkio.weight_device') || has('blkio', 'blkio.bfq.weight_device'),
    blkioThrottle: has('blkio', 'blkio.throttle.read_bps_device'),
  };
}

/** cgroup v2: a controller has all its limits; the root does not show their files. */
function unifiedAbilities(layout: CgroupLayout): CgroupAbilities {
  const controllers = text(join(layout.processes, 'cgroup.controllers')).split(' ');
  const memory = controllers.includes('memory');
  const cpu = controllers.includes('cpu');
  const io = controllers.includes('io');
  return {
    memory,
    swap: memory && swapIsCounted(),
    memoryReservation: memory,
    // Neither is there on v2.
    swappiness: false,
    oomKillDisable: false,
    cpuShares: cpu,
    cpuCfs: cpu,
    cpuRealtime: false,
    cpuset: controllers.includes('cpuset'),
    pids: controllers.includes('pids'),
    blkioWeight: io,
    blkioWeightDevice: io,
    blkioThrottle: io,
    unified: true,
  };
}

/** memory.swap.max is missing in every cgroup but the root when the kernel was told not to count swap. */
function swapIsCounted(): boolean {
  const own = text('/proc/self/cgroup').split('\n').at(-1)?.split('::')[1] ?? '/';
  if (own === '/') return !/(^|\s)swapaccount=0(\s|$)/.test(text('/proc/cmdline'));
  return existsSync(join('/sys/fs/cgroup', own, 'memory.swap.max'));
}
