import { join } from 'node:path';
import type { CgroupLayout } from './cgroup.ts';
import { countOf, flatKeyed, numberIn, readCgroupFile, readNumber } from './files.ts';
import type {
  BlockCount,
  BlockStatistics,
  CgroupStatistics,
  CpuStatistics,
  MemoryStatistics,
  PidStatistics,
} from './statistics.ts';

/** Reads a cgroup of the v1 hierarchies. `path` is its place in each, with a leading slash. */
export function readStatisticsV1(layout: CgroupLayout, path: string): CgroupStatistics {
  const directory = (controller: string): string | undefined => {
    const base = layout.controller(controller);
    return base === undefined ? undefined : join(base, path);
  };
  const [cpuacct, cpu, memory, pids, blkio] = ['cpuacct', 'cpu', 'memory', 'pids', 'blkio'].map(directory);
  return {
    version: 1,
    cpu: cpuacct === undefined ? undefined : cpuStatistics(cpuacct, cpu),
    memory: memory === undefined ? undefined : memoryStatistics(memory),
    pids: pids === undefined ? undefined : pidStatistics(pids),
    blockIO: blkio === undefined ? undefined : blockStatistics(blkio),
  };
}

function cpuStatistics(cpuacct: string, cpu: string | undefined): CpuStatistics | undefined {
  // One file for both kinds of time, in nanoseconds: cpuacct.stat counts in ticks.
  const lines = readCgroupFile(join(cpuacct, 'cpuacct.usage_all'))?.split('\n').slice(1);
  if (lines === undefined) return undefined;
  let user = 0;
  let kernel = 0;
  const perCpu = lines.map((line) => {
    const [, ofUser = 0, ofKernel = 0] = line.split(' ').map(Number);
    user += ofUser;
    kernel += ofKernel;
    return ofUser + ofKernel;
  });
  const throttled = cpu === undefined ? {} : flatKeyed(readCgroupFile(join(cpu, 'cpu.stat')) ?? '');
  return {
    total: readNumber(join(cpuacct, 'cpuacct.usage')),
    kernel,
    user,
    perCpu,
    periods: numberIn(throttled, 'nr_periods'),
    throttledPeriods: numberIn(throttled, 'nr_throttled'),
    throttledTime: numberIn(throttled, 'throttled_time'),
  };
}

function memoryStatistics(memory: string): MemoryStatistics | undefined {
  const usage = readCgroupFile(join(memory, 'memory.usage_in_bytes'));
  if (usage === undefined) return undefined;
  const limit = readCgroupFile(join(memory, 'memory.limit_in_bytes'));
  return {
    usage: Number(usage),
    maxUsage: readNumber(join(memory, 'memory.max_usage_in_bytes')),
    limit: limit === undefined ? undefined : countOf(limit),
    failures: readNumber(join(memory, 'memory.failcnt')),
    details: flatKeyed(readCgroupFile(join(memory, 'memory.stat')) ?? ''),
  };
}

function pidStatistics(pids: string): PidStatistics | undefined {
  const current = readCgroupFile(join(pids, 'pids.current'));
  if (current === undefined) return undefined;
  const limit = Number(readCgroupFile(join(pids, 'pids.max')));
  return { current: Number(current), limit: Number.isNaN(limit) ? undefined : limit };
}

function blockStatistics(blkio: string): BlockStatistics {
  const read = (name: string): BlockCount[] | undefined => {
    const text = readCgroupFile(join(blkio, name));
    return text === undefined ? undefined : blockCounts(text);
  };
  // The scheduler's own counts where it keeps some (BFQ), else those of the throttling layer, as dockerd chooses.
  const either = (name: string): BlockCount[] | undefined => {
    const scheduled = read(`blkio.bfq.${name}`);
    return scheduled !== undefined && scheduled.length > 0 ? scheduled : read(`blkio.throttle.${name}`);
  };
  return {
    serviceBytes: either('io_service_bytes_recursive') ?? [],
    serviced: either('io_serviced_recursive') ?? [],
  };
}

/** Lines of `8:0 Read 4096`; the last one, `Total 4096`, is of no device. */
function blockCounts(text: string): BlockCount[] {
  const counts: BlockCount[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line);
    if (match === null) continue;
    const [, major, minor, operation = '', value] = match;
    counts.push({ major: Number(major), minor: Number(minor), operation, value: Number(value) });
  }
  return counts;
}
