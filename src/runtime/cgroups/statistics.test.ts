import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cgroup, type CgroupLayout } from './cgroup.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tare-cgroups-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

test('v1: each hierarchy has its part', () => {
  write({
    'v1/cpuacct/c/cpuacct.usage': '3000\n',
    'v1/cpuacct/c/cpuacct.usage_all': 'cpu user system\n0 100 200\n1 1200 1500\n',
    'v1/cpu/c/cpu.stat': 'nr_periods 7\nnr_throttled 3\nthrottled_time 99\n',
    'v1/memory/c/memory.usage_in_bytes': '4096\n',
    'v1/memory/c/memory.max_usage_in_bytes': '8192\n',
    'v1/memory/c/memory.limit_in_bytes': '9223372036854771712\n',
    'v1/memory/c/memory.failcnt': '2\n',
    'v1/memory/c/memory.stat': 'cache 1\nhierarchical_memory_limit 9223372036854771712\n',
    'v1/pids/c/pids.current': '4\n',
    'v1/pids/c/pids.max': 'max\n',
    'v1/blkio/c/blkio.bfq.io_service_bytes_recursive': 'Total 0\n',
    'v1/blkio/c/blkio.throttle.io_service_bytes_recursive': '8:0 Read 5\n8:0 Write 6\nTotal 11\n',
    'v1/blkio/c/blkio.throttle.io_serviced_recursive': '8:0 Read 1\n',
  });
  const layout: CgroupLayout = {
    version: 1,
    hierarchies: [],
    processes: join(root, 'v1/pids'),
    controller: (name) => join(root, 'v1', name),
  };
  expect(new Cgroup(layout, '/c').statistics()).toEqual({
    version: 1,
    cpu: {
      total: 3000,
      user: 1300,
      kernel: 1700,
      perCpu: [300, 2700],
      periods: 7,
      throttledPeriods: 3,
      throttledTime: 99,
    },
    memory: {
      usage: 4096,
      maxUsage: 8192,
      limit: 9223372036854771712n,
      failures: 2,
      details: { cache: 1, hierarchical_memory_limit: 9223372036854771712n },
    },
    pids: { current: 4, limit: undefined },
    blockIO: {
      serviceBytes: [
        { major: 8, minor: 0, operation: 'Read', value: 5 },
        { major: 8, minor: 0, operation: 'Write', value: 6 },
      ],
      serviced: [{ major: 8, minor: 0, operation: 'Read', value: 1 }],
    },
  });
  expect(new Cgroup(layout, '/gone').statistics()).toMatchObject({
    cpu: undefined,
    memory: undefined,
    pids: undefined,
  });
});

test('v2: one directory', () => {
  write({
    'v2/c/cpu.stat':
      'usage_usec 30\nuser_usec 10\nsystem_usec 20\nnr_periods 7\nnr_throttled 3\nthrottled_usec 9\n',
    'v2/c/memory.current': '4096\n',
    'v2/c/memory.max': 'max\n',
    'v2/c/memory.events': 'low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n',
    'v2/c/memory.stat': 'anon 1\nfile 2\n',
    'v2/c/pids.current': '4\n',
    'v2/c/pids.max': '10\n',
    'v2/c/io.stat': '8:0 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n7:1 rbytes=1\n',
  });
  const layout: CgroupLayout = {
    version: 2,
    hierarchies: [],
    processes: join(root, 'v2'),
    controller: () => join(root, 'v2'),
  };
  expect(new Cgroup(layout, '/c').statistics()).toEqual({
    version: 2,
    cpu: {
      total: 30_000,
      user: 10_000,
      kernel: 20_000,
      perCpu: undefined,
      periods: 7,
      throttledPeriods: 3,
      throttledTime: 9000,
    },
    memory: {
      usage: 4096,
      maxUsage: undefined,
      limit: undefined,
      failures: 2,
      details: { anon: 1, file: 2 },
    },
    pids: { current: 4, limit: 10 },
    blockIO: {
      serviceBytes: [
        { major: 8, minor: 0, operation: 'read', value: 5 },
        { major: 8, minor: 0, operation: 'write', value: 6 },
        { major: 7, minor: 1, operation: 'read', value: 1 },
        { major: 7, minor: 1, operation: 'write', value: 0 },
      ],
      serviced: undefined,
    },
  });
});
