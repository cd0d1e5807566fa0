import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { CONTAINER_ID } from '../../test/support/api/fake-containers.ts';
import { fakeSample } from '../../test/support/api/fake-statistics.ts';
import { Harness } from '../../test/support/api/harness.ts';

const harness = new Harness();
beforeAll(() => harness.start());
afterAll(() => harness.stop());
beforeEach(() => {
  harness.engine.statistics.now = fakeSample();
});

const get = (query: string) => harness.call('GET', `/containers/web/stats?${query}`);

test('a reading of cgroup v1, with all digits', async () => {
  const { status, body } = await get('stream=0');
  expect(status).toBe(200);
  expect(body).toContain('"hierarchical_memory_limit":9223372036854771712');
  expect(JSON.parse(body)).toMatchObject({
    name: '/web',
    id: CONTAINER_ID,
    pids_stats: { current: 5, limit: 100 },
    blkio_stats: {
      io_service_bytes_recursive: [
        { major: 8, minor: 0, op: 'read', value: 4096 },
        { major: 8, minor: 0, op: 'write', value: 8192 },
      ],
      io_queue_recursive: [],
    },
    cpu_stats: {
      cpu_usage: {
        total_usage: 3_000_000_000,
        percpu_usage: [1_400_000_000, 1_600_000_000],
        usage_in_kernelmode: 1_000_000_000,
        usage_in_usermode: 2_000_000_000,
      },
      system_cpu_usage: 9_000_000_000,
      online_cpus: 2,
      throttling_data: { periods: 10, throttled_periods: 4, throttled_time: 250_000_000 },
    },
    precpu_stats: { system_cpu_usage: 8_000_000_000 },
    memory_stats: { usage: 50_000_000, max_usage: 60_000_000, failcnt: 3, limit: 268_435_456 },
    networks: { eth0: { rx_bytes: 10, rx_dropped: 13, tx_bytes: 14, tx_dropped: 17 } },
  });
});

test('a reading of cgroup v2', async () => {
  const { cgroup } = fakeSample();
  harness.engine.statistics.now = fakeSample({
    cgroup: {
      ...cgroup,
      version: 2,
      cpu: { ...cgroup.cpu!, perCpu: undefined },
      memory: {
        usage: 1000,
        maxUsage: undefined,
        limit: undefined,
        failures: 0,
        details: { anon: 5, zswap: 6 },
      },
      pids: { current: 1, limit: undefined },
      blockIO: { serviceBytes: [{ major: 8, minor: 0, operation: 'read', value: 1 }], serviced: undefined },
    },
    interfaces: [],
  });
  const { body } = await get('stream=0');
  // No limit is the largest number of 64 bits there.
  expect(body).toContain('"limit":18446744073709551615');
  const stats = JSON.parse(body);
  expect(stats.memory_stats.stats).toMatchObject({ anon: 5, file: 0, workingset_refault: 0 });
  expect(stats.memory_stats.stats).not.toHaveProperty('zswap');
  expect(stats.memory_stats).not.toHaveProperty('max_usage');
  expect(stats.memory_stats.limit).toBeGreaterThan(1e8);
  expect(stats.cpu_stats.cpu_usage).not.toHaveProperty('percpu_usage');
  expect(stats.blkio_stats.io_serviced_recursive).toBeNull();
  expect(stats).not.toHaveProperty('networks');
});

test('a container that does not run has zeros', async () => {
  harness.engine.statistics.now = undefined;
  const stats = JSON.parse((await get('stream=0&one-shot=1')).body);
  expect(stats).toMatchObject({
    name: '/web',
    read: '0001-01-01T00:00:00Z',
    pids_stats: {},
    memory_stats: {},
    cpu_stats: { cpu_usage: { total_usage: 0 } },
  });
  expect(stats.cpu_stats).not.toHaveProperty('system_cpu_usage');
});

test('one-shot has nothing before it, and is no stream', async () => {
  const stats = JSON.parse((await get('stream=0&one-shot=1')).body);
  expect(stats.preread).toBe('0001-01-01T00:00:00Z');
  expect(stats.precpu_stats.cpu_usage.total_usage).toBe(0);
  const refused = await get('one-shot=1');
  expect(refused.status).toBe(400);
  expect(refused.body).toContain('cannot have stream=true and one-shot=true');
  expect((await harness.call('GET', '/containers/nobody/stats')).status).toBe(404);
});

test('a stream: each reading has the former one before it; it ends with the container', async () => {
  const response = await harness.open('GET', '/containers/web/stats');
  const readings: Array<{ read: string; preread: string }> = [];
  const { watchers } = harness.engine.statistics;
  for await (const chunk of response) {
    for (const line of String(chunk).split('\n')) if (line !== '') readings.push(JSON.parse(line));
    const [watcher] = [...watchers];
    if (readings.length < 3) watcher?.listener(fakeSample({ at: fakeSample().at + readings.length * 1000 }));
    else watcher?.gone();
  }
  expect(readings).toHaveLength(3);
  expect(readings[0]!.preread).toBe('0001-01-01T00:00:00Z');
  expect(readings[2]!.preread).toBe(readings[1]!.read);
  expect(watchers.size).toBe(0);
});
