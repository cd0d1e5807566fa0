import { join } from 'node:path';
import { countOf, flatKeyed, numberIn, readCgroupFile, readNumber } from './files.ts';
import type {
  BlockCount,
  BlockStatistics,
  CgroupStatistics,
  CpuStatistics,
  MemoryStatistics,
  PidStatistics,
} from './statistics.ts';

/** Microseconds to nanoseconds. */
const MICRO = 1000;

/** Reads a cgroup of the unified hierarchy from its directory. */
export function readStatisticsV2(directory: string): CgroupStatistics {
  return {
    version: 2,
    cpu: cpuStatistics(directory),
    memory: memoryStatistics(directory),
    pids: pidStatistics(directory),
    blockIO: blockStatistics(directory),
  };
}

function cpuStatistics(directory: string): CpuStatistics | undefined {
  const text = readCgroupFile(join(directory, 'cpu.stat'));
  if (text === undefined) return undefined;
  const values = flatKeyed(text);
  return {
    total: numberIn(values, 'usage_usec') * MICRO,
    kernel: numberIn(values, 'system_usec') * MICRO,
    user: numberIn(values, 'user_usec') * MICRO,
    perCpu: undefined,
    periods: numberIn(values, 'nr_periods'),
    throttledPeriods: numberIn(values, 'nr_throttled'),
    throttledTime: numberIn(values, 'throttled_usec') * MICRO,
  };
}

function memoryStatistics(directory: string): MemoryStatistics | undefined {
  const usage = readCgroupFile(join(directory, 'memory.current'));
  if (usage === undefined) return undefined;
  const limit = readCgroupFile(join(directory, 'memory.max'));
  const events = flatKeyed(readCgroupFile(join(directory, 'memory.events')) ?? '');
  return {
    usage: Number(usage),
    maxUsage: undefined,
    limit: limit === undefined || limit === 'max' ? undefined : countOf(limit),
    failures: numberIn(events, 'oom'),
    details: flatKeyed(readCgroupFile(join(directory, 'memory.stat')) ?? ''),
  };
}

function pidStatistics(directory: string): PidStatistics | undefined {
  const current = readCgroupFile(join(directory, 'pids.current'));
  if (current === undefined) return undefined;
  const limit = readCgroupFile(join(directory, 'pids.max'));
  return {
    current: Number(current),
    limit: limit === 'max' ? undefined : readNumber(join(directory, 'pids.max')),
  };
}

/** `io.stat`: lines of `8:0 rbytes=4096 wbytes=0 rios=1 …`. */
function blockStatistics(directory: string): BlockStatistics | undefined {
  const text = readCgroupFile(join(directory, 'io.stat'));
  if (text === undefined) return undefined;
  const serviceBytes: BlockCount[] = [];
  for (const line of text.split('\n')) {
    const device = /^(\d+):(\d+) /.exec(line);
    if (device === null) continue;
    const [major, minor] = [Number(device[1]), Number(device[2])];
    const value = (key: string): number => Number(new RegExp(` ${key}=(\\d+)`).exec(line)?.[1] ?? 0);
    serviceBytes.push(
      { major, minor, operation: 'read', value: value('rbytes') },
      { major, minor, operation: 'write', value: value('wbytes') },
    );
  }
  return { serviceBytes, serviced: undefined };
}
