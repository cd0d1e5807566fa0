/** What the daemon's configuration gives to containers that ask for nothing else. */
import { afterEach, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon | undefined;
afterEach(() => daemon?.stop(), 120_000);

test('limits, /dev/shm, resolver and the like are the configured ones, unless a container asks', async () => {
  daemon = await startDaemon({
    config: {
      'default-ulimits': { nofile: { Name: 'nofile', Soft: 64, Hard: 128 } },
      'default-shm-size': '8m',
      'no-new-privileges': true,
      init: true,
      dns: ['192.0.2.53'],
      'dns-search': ['lan.test'],
    },
  });
  const look =
    'ulimit -n; df -m /dev/shm | tail -1; cat /etc/resolv.conf; grep NoNewPrivs /proc/self/status; cat /proc/1/comm';
  const seen = await daemon.ok('tare', ['run', '--rm', 'busybox', 'sh', '-c', look]);
  expect(seen).toMatch(/^64\n/);
  expect(seen).toMatch(/\s8\s+0\s/);
  expect(seen).toContain('nameserver 192.0.2.53');
  expect(seen).toContain('search lan.test');
  expect(seen).toContain('NoNewPrivs:\t1');
  expect(seen).toMatch(/init$/);
  const own = ['--ulimit', 'nofile=70', '--shm-size', '4m', '--dns', '192.0.2.7', '--init=false'];
  const asked = await daemon.ok('tare', ['run', '--rm', ...own, 'busybox', 'sh', '-c', look]);
  expect(asked).toMatch(/^70\n/);
  expect(asked).toMatch(/\s4\s+0\s/);
  expect(asked).toContain('nameserver 192.0.2.7');
  expect(asked).not.toMatch(/init$/);
}, 60_000);

test('"live-restore": false ends containers with the daemon; their restart policies start them with the next', async () => {
  daemon = await startDaemon({ config: { 'live-restore': false } });
  expect(await daemon.ok('tare', ['info', '-f', '{{.LiveRestoreEnabled}}'])).toBe('false');
  const run = ['run', '-d', '--stop-timeout', '1'];
  await daemon.ok('tare', [...run, '--name', 'once', 'busybox', 'sleep', '1000']);
  await daemon.ok('tare', [...run, '--name', 'always', '--restart', 'always', 'busybox', 'sleep', '1000']);
  const pid = await daemon.ok('tare', ['inspect', '-f', '{{.State.Pid}}', 'once']);
  await daemon.terminate();
  expect(() => process.kill(Number(pid), 0)).toThrow();
  await daemon.start();
  const next = daemon;
  const status = (name: string) => next.ok('tare', ['inspect', '-f', '{{.State.Status}}', name]);
  await until('it is started again', async () => (await status('always')) === 'running');
  expect(await status('once')).toBe('exited');
}, 60_000);
