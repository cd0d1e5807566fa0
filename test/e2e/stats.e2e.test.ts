import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { ContainerStats } from '../../src/wire/statistics.ts';
import { until } from '../support/command.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSY = ['busybox', 'sh', '-c', 'while :; do :; done'];
const IDLE = ['busybox', 'sleep', '100000'];

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await daemon.ok('tare', ['run', '-d', '--name', 'busy', '--cpus', '.3', '-m', '64m', ...BUSY]);
  await daemon.ok('tare', ['run', '-d', '--name', 'idle', '--pids-limit', '20', ...IDLE]);
  await daemon.ok('tare', ['create', '--name', 'cold', ...IDLE]);
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const stats = async (name: string, query: string): Promise<ContainerStats> =>
  (await daemon.request('GET', `/containers/${name}/stats?${query}`)).json() as Promise<ContainerStats>;

describe.each(CLIENTS)('%s', (client) => {
  test('one table: what runs, all, by template, by name', async () => {
    const table = await daemon.ok(client, ['stats', '--no-stream']);
    expect(table).toMatch(
      /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS\n/,
    );
    expect(table).toMatch(/^[0-9a-f]{12} +busy +\d+\.\d\d% +[\d.]+[KM]iB \/ 64MiB +\d+\.\d\d% .* 1$/m);
    expect(table).not.toContain('cold');
    const names = await daemon.ok(client, ['stats', '--no-stream', '-a', '--format', '{{.Name}}']);
    expect(names.split('\n').sort()).toEqual(['busy', 'cold', 'idle']);
    const lines = await daemon.ok(client, ['stats', '--no-stream', '--no-trunc', '--format', 'json', 'cold']);
    expect(JSON.parse(lines)).toEqual({
      BlockIO: '0B / 0B',
      CPUPerc: '0.00%',
      Container: 'cold',
      ID: expect.stringMatching(/^[0-9a-f]{64}$/),
      MemPerc: '0.00%',
      MemUsage: '0B / 0B',
      Name: 'cold',
      NetIO: '0B / 0B',
      PIDs: '0',
    });
    const failed = await daemon.client(client, ['stats', '--no-stream', 'nobody']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('No such container: nobody');
  });

  test('the streamed table follows who starts and ends', async () => {
    const running = daemon.open(client, ['stats', '--format', '{{.Name}} {{.PIDs}};']);
    try {
      await running.waitFor('idle 1;');
      await daemon.ok('tare', ['run', '-d', '--name', 'late', ...IDLE]);
      await running.waitFor('late 1;');
      await daemon.ok('tare', ['rm', '-f', 'late']);
      // The last screen has only who is still there.
      await until('late is off the table', () => !lastScreen(running.output()).includes('late'));
      expect(lastScreen(running.output())).toContain('idle 1;');
    } finally {
      running.signal('SIGKILL');
      await running.exited();
    }
  });
});

/** What stands between the last two jumps to the top left corner. */
const lastScreen = (output: string): string => output.split('\x1b[H').at(-2) ?? '';

test('the API: limits, a pair of readings, one reading, zeros', async () => {
  const busy = await stats('busy', 'stream=0');
  expect(busy.memory_stats.limit).toBe(64 * 2 ** 20);
  expect(busy.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(busy.precpu_stats.cpu_usage.total_usage);
  expect(busy.cpu_stats.system_cpu_usage!).toBeGreaterThan(busy.precpu_stats.system_cpu_usage!);
  expect(busy.cpu_stats.throttling_data.periods).toBeGreaterThan(0);
  expect(Object.keys(busy.networks!)).toEqual(['eth0']);
  const idle = await stats('idle', 'stream=0&one-shot=1');
  expect(idle.pids_stats).toEqual({ current: 1, limit: 20 });
  expect(idle.precpu_stats.cpu_usage.total_usage).toBe(0);
  const cold = await stats('cold', 'stream=0');
  expect(cold).toMatchObject({ name: '/cold', read: '0001-01-01T00:00:00Z', memory_stats: {} });
});

test('traffic is counted', async () => {
  const gateway = await daemon.ok('tare', ['inspect', '-f', '{{.NetworkSettings.Gateway}}', 'idle']);
  const before = (await stats('idle', 'stream=0&one-shot=1')).networks!.eth0!;
  await daemon.ok('tare', ['exec', 'idle', 'ping', '-c', '3', '-i', '0.1', '-s', '1000', gateway]);
  const after = (await stats('idle', 'stream=0&one-shot=1')).networks!.eth0!;
  expect(after.tx_bytes - before.tx_bytes).toBeGreaterThan(3000);
  expect(after.rx_packets - before.rx_packets).toBeGreaterThanOrEqual(3);
});

test('a stream ends with its container', async () => {
  await daemon.ok('tare', ['run', '-d', '--name', 'short', ...IDLE]);
  const response = await daemon.request('GET', '/containers/short/stats');
  const reader = response.body!.getReader();
  await reader.read();
  await daemon.ok('tare', ['rm', '-f', 'short']);
  while (!(await reader.read()).done);
}, 30_000);
