import { expect, test } from 'bun:test';
import type { ContainerStats } from '../../wire/statistics.ts';
import { formatListing } from './listing.ts';
import { STATS_LISTING, STATS_TABLE, statsFigures, statsRow } from './stats-list.ts';

const cpu = (total: number, system: number, cpus?: number) => ({
  cpu_usage: { total_usage: total, percpu_usage: [0, 0], usage_in_kernelmode: 0, usage_in_usermode: 0 },
  system_cpu_usage: system,
  ...(cpus === undefined ? {} : { online_cpus: cpus }),
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
});

const stats = (change: Partial<ContainerStats>): ContainerStats => ({
  read: '',
  preread: '',
  pids_stats: { current: 3 },
  blkio_stats: {
    io_service_bytes_recursive: [
      { major: 8, minor: 0, op: 'Read', value: 1000 },
      { major: 8, minor: 1, op: 'read', value: 500 },
      { major: 8, minor: 0, op: 'Write', value: 2_000_000 },
      { major: 8, minor: 0, op: 'Total', value: 9_000_000 },
    ],
  } as ContainerStats['blkio_stats'],
  num_procs: 0,
  storage_stats: {},
  precpu_stats: cpu(1000, 10_000),
  cpu_stats: cpu(2000, 20_000, 4),
  memory_stats: {
    usage: 3 * 2 ** 20,
    limit: 8 * 2 ** 20,
    stats: { total_inactive_file: 2 ** 20, inactive_file: 7 },
  },
  networks: {
    eth0: { rx_bytes: 1000, tx_bytes: 1 } as never,
    eth1: { rx_bytes: 234, tx_bytes: 2 } as never,
  },
  ...change,
});

test('the arithmetic', () => {
  expect(statsFigures(stats({}))).toEqual({
    cpuPercent: 40,
    memory: 2 * 2 ** 20,
    memoryLimit: 8 * 2 ** 20,
    memoryPercent: 25,
    received: 1234,
    sent: 3,
    read: 1500,
    written: 2_000_000,
    pids: 3,
  });
  // v2 has no total_ numbers; an old daemon does not say how many CPUs there are.
  const other = statsFigures(
    stats({
      cpu_stats: cpu(2000, 20_000),
      memory_stats: { usage: 100, stats: { inactive_file: 30 } },
      networks: undefined as never,
    }),
  );
  expect(other).toMatchObject({ cpuPercent: 20, memory: 70, memoryPercent: 0, received: 0 });
  // More file pages than were counted: the two are not read at one moment.
  expect(statsFigures(stats({ memory_stats: { usage: 100, stats: { inactive_file: 130 } } })).memory).toBe(
    100,
  );
  expect(statsFigures(stats({ cpu_stats: cpu(900, 20_000, 4) })).cpuPercent).toBe(0);
});

test('the table', () => {
  const id = 'ab'.repeat(32);
  const rows = [
    statsRow({ container: 'web', id, name: '/web', figures: statsFigures(stats({})) }, true),
    statsRow({ container: 'db', id: '', name: '', figures: undefined }, true),
  ];
  expect(formatListing(STATS_LISTING, '', STATS_TABLE, rows)).toBe(
    `CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O       BLOCK I/O     PIDS
abababababab   web       40.00%    2MiB / 8MiB         25.00%    1.23kB / 3B   1.5kB / 2MB   3
               --        --        -- / --             --        --            --            --
`,
  );
});
