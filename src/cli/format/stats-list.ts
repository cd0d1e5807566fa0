import type { Row } from '../../base/template/values.ts';
import type { ContainerStats, CpuStats, MemoryStats } from '../../wire/statistics.ts';
import { type Listing, row } from './listing.ts';
import { humanBytes, humanSize } from './size.ts';
import { truncateId } from './truncate.ts';

/** The columns of `tare stats`. */
export const STATS_LISTING: Listing = {
  typeName: '*container.statsContext',
  headings: {
    Container: 'CONTAINER',
    ID: 'CONTAINER ID',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
  },
};

export const STATS_TABLE =
  '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}';

/** What one container uses, in the figures of the table. */
export interface StatsFigures {
  readonly cpuPercent: number;
  /** Bytes without the page cache that the kernel can drop at once. */
  readonly memory: number;
  readonly memoryLimit: number;
  readonly memoryPercent: number;
  readonly received: number;
  readonly sent: number;
  readonly read: number;
  readonly written: number;
  readonly pids: number;
}

/** Docker's arithmetic, for cgroup v1 and v2. */
export function statsFigures(stats: ContainerStats): StatsFigures {
  const memory = usedMemory(stats.memory_stats);
  const memoryLimit = Number(stats.memory_stats.limit ?? 0);
  const networks = Object.values(stats.networks ?? {});
  const transferred = (letter: string): number =>
    (stats.blkio_stats.io_service_bytes_recursive ?? [])
      .filter((entry) => entry.op.toLowerCase().startsWith(letter))
      .reduce((sum, entry) => sum + entry.value, 0);
  return {
    cpuPercent: cpuPercent(stats.precpu_stats, stats.cpu_stats),
    memory,
    memoryLimit,
    memoryPercent: memoryLimit === 0 ? 0 : (memory / memoryLimit) * 100,
    received: networks.reduce((sum, network) => sum + network.rx_bytes, 0),
    sent: networks.reduce((sum, network) => sum + network.tx_bytes, 0),
    read: transferred('r'),
    written: transferred('w'),
    pids: stats.pids_stats.current ?? 0,
  };
}

/** 100 is one CPU in full use. */
function cpuPercent(before: CpuStats, now: CpuStats): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const all = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || (now.cpu_usage.percpu_usage?.length ?? 0);
  return used > 0 && all > 0 ? (used / all) * cpus * 100 : 0;
}

function usedMemory({ usage = 0, stats = {} }: MemoryStats): number {
  // v1 counts what is below a cgroup in the total_ numbers; v2 counts it always.
  const inactive = Number(stats.total_inactive_file ?? stats.inactive_file ?? 0);
  return inactive < usage ? usage - inactive : usage;
}

/** What is known of a container; `figures` is undefined while the daemon has told nothing. */
export interface StatsEntry {
  /** As it was asked for. */
  readonly container: string;
  readonly id: string;
  /** With a leading slash, or empty. */
  readonly name: string;
  readonly figures: StatsFigures | undefined;
}

const UNKNOWN = '--';

/** A container as a row of `tare stats`. */
export function statsRow({ container, id, name, figures }: StatsEntry, trunc: boolean): Row {
  const percent = (value: number): string => `${value.toFixed(2)}%`;
  const both = (one: string, other: string): string => `${one} / ${other}`;
  const size = (bytes: number): string => humanSize(bytes, 3);
  return row({
    Container: container,
    ID: trunc ? truncateId(id) : id,
    Name: name === '' ? UNKNOWN : name.slice(1),
    CPUPerc: figures ? percent(figures.cpuPercent) : UNKNOWN,
    MemUsage: figures
      ? both(humanBytes(figures.memory), humanBytes(figures.memoryLimit))
      : both(UNKNOWN, UNKNOWN),
    MemPerc: figures ? percent(figures.memoryPercent) : UNKNOWN,
    NetIO: figures ? both(size(figures.received), size(figures.sent)) : UNKNOWN,
    BlockIO: figures ? both(size(figures.read), size(figures.written)) : UNKNOWN,
    PIDs: figures ? String(figures.pids) : UNKNOWN,
  });
}
