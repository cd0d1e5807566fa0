/** Limits on cgroup v2, by their effect; and those that the machines outside cannot set. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { must, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const inspect = (id: string, format: string) => out('inspect', '-f', format, id);
/** A file of the container's cgroup. */
const group = async (id: string, file: string) => {
  const own = readFileSync(`/proc/${await inspect(id, '{{.State.Pid}}')}/cgroup`, 'utf8').trim();
  return readFileSync(`/sys/fs/cgroup${own.slice('0::'.length)}/${file}`, 'utf8').trim();
};
/** Fills a tmpfs, whose pages are the container's memory: `n` MiB. */
const fill = (n: number) => `mount -t tmpfs t /mnt 2>/dev/null; head -c ${n}m /dev/zero >/dev/shm/x`;

test('limits are in the cgroup, in v2 terms', async () => {
  const flags = ['--memory=64m', '--memory-swap=96m', '--memory-reservation=32m', '--pids-limit=50'];
  const id = await out(
    'run',
    '-d',
    ...flags,
    '--cpus=.25',
    '--cpu-shares=512',
    '--cpuset-cpus=0',
    'busybox',
    'sleep',
    '1000',
  );
  const files = [
    'memory.max',
    'memory.swap.max',
    'memory.low',
    'pids.max',
    'cpu.max',
    'cpu.weight',
    'cpuset.cpus',
  ];
  const values = await Promise.all(files.map((file) => group(id, file)));
  // 512 shares are 1 + (512 - 2) * 9999 / 262142.
  expect(values).toEqual(['67108864', '33554432', '33554432', '50', '25000 100000', '20', '0']);
  await out('rm', '-f', id);
}, 60_000);

test('out of memory: killed, and told', async () => {
  const id = await out(
    'run',
    '-d',
    '--memory=24m',
    '--memory-swap=24m',
    '--shm-size=100m',
    'busybox',
    'sh',
    '-c',
    `${fill(64)}; exit 0`,
  );
  await out('wait', id);
  expect(await inspect(id, '{{.State.OOMKilled}}')).toBe('true');
  await out('rm', id);
}, 60_000);

describe('with swap', () => {
  beforeAll(async () => {
    await must([
      'sh',
      '-ec',
      'fallocate -l 256M /swapfile; chmod 600 /swapfile; mkswap /swapfile; swapon /swapfile',
    ]);
  });
  afterAll(async () => {
    await must(['swapoff', '/swapfile']);
  });

  test('what is beyond the memory is swapped, up to --memory-swap', async () => {
    const id = await out(
      'run',
      '-d',
      '--memory=24m',
      '--memory-swap=120m',
      '--shm-size=100m',
      'busybox',
      'sh',
      '-c',
      `${fill(64)} && echo filled; sleep 1000`,
    );
    await until('it is filled', async () => (await out('logs', id)) === 'filled', 60_000);
    expect(Number(await group(id, 'memory.swap.current'))).toBeGreaterThan(30 * 1024 * 1024);
    expect(await inspect(id, '{{.State.OOMKilled}}')).toBe('false');
    await out('rm', '-f', id);
  }, 90_000);
});

test('a fork bomb stops at the pids limit', async () => {
  const bomb = 'while :; do sleep 1000 & done';
  const id = await out('run', '-d', '--pids-limit=20', 'busybox', 'sleep', '1000');
  // The shell ends when it cannot fork; what it has started stays.
  expect((await daemon.tare('exec', id, 'sh', '-c', bomb)).code).not.toBe(0);
  expect(Number(/max (\d+)/.exec(await group(id, 'pids.events'))?.[1])).toBeGreaterThan(0);
  expect(Number(await group(id, 'pids.current'))).toBeLessThanOrEqual(20);
  expect((await daemon.request('GET', '/_ping')).status).toBe(200);
  await out('rm', '-f', id);
}, 60_000);

test('pause by cgroup.freeze, kill of a paused one', async () => {
  const id = await out('run', '-d', 'busybox', 'sleep', '1000');
  await out('pause', id);
  expect(await group(id, 'cgroup.freeze')).toBe('1');
  expect(await inspect(id, '{{.State.Status}}')).toBe('paused');
  await out('unpause', id);
  expect(await group(id, 'cgroup.events')).toContain('frozen 0');
  await out('pause', id);
  await out('kill', id);
  await until(
    'it ended',
    async () => (await inspect(id, '{{.State.Status}} {{.State.ExitCode}}')) === 'exited 137',
  );
  await out('rm', id);
}, 60_000);

test('its own cgroup namespace is the default, and the group cannot be written', async () => {
  const text = await out(
    'run',
    '--rm',
    'busybox',
    'sh',
    '-c',
    'cat /proc/self/cgroup; mkdir /sys/fs/cgroup/x 2>&1; ls /sys/fs/cgroup/memory.max',
  );
  expect(text).toContain('0::/\n');
  expect(text).toMatch(/Read-only file system/);
  expect(text).toContain('/sys/fs/cgroup/memory.max');
  expect(await out('run', '--rm', '--cgroupns=host', 'busybox', 'cat', '/proc/self/cgroup')).toMatch(
    /^0::\/tare\//,
  );
}, 60_000);

test('raised ulimits and a negative oom_score_adj', async () => {
  const flags = ['--ulimit', 'nofile=1048576:1048576', '--ulimit', 'memlock=-1:-1', '--oom-score-adj=-700'];
  const script = 'ulimit -Hn; ulimit -Hl; cat /proc/self/oom_score_adj';
  expect(await out('run', '--rm', ...flags, 'busybox', 'sh', '-c', script)).toBe('1048576\nunlimited\n-700');
  // And none of the daemon's own score where nobody asked for one.
  expect(await out('run', '--rm', 'busybox', 'cat', '/proc/self/oom_score_adj')).toBe('0');
}, 60_000);

test('--privileged has all capabilities', async () => {
  const text = await out('run', '--rm', '--privileged', 'busybox', 'grep', 'CapEff', '/proc/self/status');
  expect(text).toBe(readFileSync('/proc/1/status', 'utf8').match(/^CapEff.*$/m)?.[0] ?? '');
}, 60_000);

test('nothing of the groups stays', () => {
  expect(existsSync('/sys/fs/cgroup/tare.slice')).toBe(false);
});
