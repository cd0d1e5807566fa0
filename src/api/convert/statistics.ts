import { totalmem } from 'node:os';
import type { StatisticsSample } from '../../engine/containers/statistics.ts';
import type {
  BlkioEntry,
  BlkioStats,
  ContainerStats,
  CpuStats,
  MemoryStats,
  NetworkStats,
  WireCount,
} from '../../wire/statistics.ts';
import { rfc3339, ZERO_TIME } from '../time.ts';

type Cgroup = StatisticsSample['cgroup'];

/** 2^64 - 1: how dockerd shows that there is no limit of processes on cgroup v2. */
const UNLIMITED = 0xffff_ffff_ffff_ffffn;

const NO_BLOCK_STATS: BlkioStats = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

const NO_CPU_STATS: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** What dockerd takes from memory.stat of cgroup v2; v1 shows the whole file. */
const MEMORY_KEYS_V2: readonly string[] = [
  ...[
    'active_anon',
    'active_file',
    'anon',
    'anon_thp',
    'file',
    'file_dirty',
    'file_mapped',
    'file_writeback',
  ],
  ...[
    'inactive_anon',
    'inactive_file',
    'kernel_stack',
    'pgactivate',
    'pgdeactivate',
    'pgfault',
    'pglazyfree',
  ],
  ...['pglazyfreed', 'pgmajfault', 'pgrefill', 'pgscan', 'pgsteal', 'shmem', 'slab', 'slab_reclaimable'],
  ...['slab_unreclaimable', 'sock', 'thp_collapse_alloc', 'thp_fault_alloc', 'unevictable'],
  ...['workingset_activate', 'workingset_nodereclaim', 'workingset_refault'],
];

/**
 * One reading as Docker's JSON. `before` is the reading that `precpu_stats` is of; without `now` (the container does
 * not run) everything is zero.
 */
export function statsToWire(
  { id, name }: { readonly id: string; readonly name: string },
  now: StatisticsSample | undefined,
  before: StatisticsSample | undefined,
): ContainerStats {
  const networks = now && networkStats(now);
  return {
    name: `/${name}`,
    id,
    read: now ? rfc3339(now.at) : ZERO_TIME,
    preread: before ? rfc3339(before.at) : ZERO_TIME,
    pids_stats: now ? pidStats(now.cgroup) : {},
    blkio_stats: now ? blockStats(now.cgroup) : NO_BLOCK_STATS,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: now ? cpuStats(now) : NO_CPU_STATS,
    precpu_stats: before ? cpuStats(before) : NO_CPU_STATS,
    memory_stats: now ? memoryStats(now.cgroup) : {},
    ...(networks && Object.keys(networks).length > 0 && { networks }),
  };
}

/** Part of the language since 2025, but not of TypeScript's description of it. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** The JSON text; counts beyond 2^53 keep all their digits. */
export function statsToJson(stats: ContainerStats): string {
  return JSON.stringify(stats, (_, value: unknown) =>
    typeof value === 'bigint' ? rawJSON(String(value)) : value,
  );
}

function cpuStats({ cgroup: { cpu }, system }: StatisticsSample): CpuStats {
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu?.perCpu && { percpu_usage: [...cpu.perCpu] }),
      usage_in_kernelmode: cpu?.kernel ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    system_cpu_usage: system.usage,
    online_cpus: system.onlineCpus,
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttledTime ?? 0,
    },
  };
}

/** Go's omitempty. */
function nonZero<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined || value === 0 ? {} : { [key]: value }) as { [P in K]?: V };
}

function memoryStats({ memory, version }: Cgroup): MemoryStats {
  if (!memory) return {};
  const machine = totalmem();
  const limit = memory.limit === undefined || memory.limit > machine ? machine : memory.limit;
  return {
    ...nonZero('usage', memory.usage),
    ...nonZero('max_usage', memory.maxUsage),
    stats: version === 2 ? memoryDetailsV2(memory.details) : { ...memory.details },
    ...nonZero('failcnt', memory.failures),
    limit,
  };
}

function memoryDetailsV2(details: Readonly<Record<string, WireCount>>): Record<string, WireCount> {
  // Kernel 5.9 and later count refaults of the two kinds of pages apart.
  const refaults =
    Number(details.workingset_refault_anon ?? 0) + Number(details.workingset_refault_file ?? 0);
  const activated =
    Number(details.workingset_activate_anon ?? 0) + Number(details.workingset_activate_file ?? 0);
  const all: Record<string, WireCount> = {
    workingset_refault: refaults,
    workingset_activate: activated,
    ...details,
  };
  return Object.fromEntries(MEMORY_KEYS_V2.map((key) => [key, all[key] ?? 0]));
}

function pidStats({ pids, version }: Cgroup): ContainerStats['pids_stats'] {
  if (!pids) return {};
  const limit: WireCount | undefined = pids.limit ?? (version === 2 ? UNLIMITED : undefined);
  return { ...nonZero('current', pids.current), ...nonZero('limit', limit) };
}

function blockStats({ blockIO, version }: Cgroup): BlkioStats {
  if (!blockIO) return NO_BLOCK_STATS;
  type Counts = typeof blockIO.serviceBytes;
  const entries = (counts: Counts): BlkioEntry[] =>
    counts.map(({ major, minor, operation, value }) => ({
      major,
      minor,
      op: operation.toLowerCase(),
      value,
    }));
  if (version === 2) return { ...NO_BLOCK_STATS, io_service_bytes_recursive: entries(blockIO.serviceBytes) };
  return {
    io_service_bytes_recursive: entries(blockIO.serviceBytes),
    io_serviced_recursive: entries(blockIO.serviced ?? []),
    // Only the CFQ scheduler counted these; it left the kernel with version 5.0.
    io_queue_recursive: [],
    io_service_time_recursive: [],
    io_wait_time_recursive: [],
    io_merged_recursive: [],
    io_time_recursive: [],
    sectors_recursive: [],
  };
}

function networkStats({ interfaces }: StatisticsSample): Record<string, NetworkStats> {
  return Object.fromEntries(
    interfaces.map((one) => [
      one.name,
      {
        rx_bytes: one.rxBytes,
        rx_packets: one.rxPackets,
        rx_errors: one.rxErrors,
        rx_dropped: one.rxDropped,
        tx_bytes: one.txBytes,
        tx_packets: one.txPackets,
        tx_errors: one.txErrors,
        tx_dropped: one.txDropped,
      },
    ]),
  );
}
