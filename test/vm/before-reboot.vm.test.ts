/** Restarts of the unit, and containers that are to come back when the machine does. */
import { beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { must, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
// Never stopped: what is made here is looked at after the reboot.
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
const out = (...args: string[]) => daemon.ok('tare', args);
const inspect = (id: string, format: string) => out('inspect', '-f', format, id);

test('systemctl restart ends no container, and the new daemon has them all', async () => {
  const id = await out(
    'run',
    '-d',
    '--name',
    'stays',
    'busybox',
    'sh',
    '-c',
    'i=0; while sleep 1; do echo $((i+=1)); done',
  );
  const pid = await inspect(id, '{{.State.Pid}}');
  const group = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim();
  expect(group).toContain(id);
  // The unit's own group is ended and counted with the unit.
  expect(group).not.toContain('tare.service');
  const before = daemon.pid;
  await must(['systemctl', 'restart', 'tare'], { timeout: 120_000 });
  expect(daemon.pid).not.toBe(before);
  expect(await inspect(id, '{{.State.Status}} {{.State.Pid}}')).toBe(`running ${pid}`);
  expect(await out('exec', id, 'echo', 'in')).toBe('in');
  const lines = (await out('logs', id)).split('\n').length;
  await until('its log goes on', async () => (await out('logs', id)).split('\n').length > lines);
}, 120_000);

test('systemctl stop and start: an end meanwhile is noticed with its code', async () => {
  const id = await out('run', '-d', 'busybox', 'sh', '-c', 'sleep 2; exit 23');
  await must(['systemctl', 'stop', 'tare.socket', 'tare.service'], { timeout: 120_000 });
  const pid = readFileSync('/proc/uptime', 'utf8');
  expect(pid).not.toBe('');
  await Bun.sleep(4000);
  await must(['systemctl', 'start', 'tare.socket'], { timeout: 120_000 });
  expect(await inspect(id, '{{.State.Status}} {{.State.ExitCode}}')).toBe('exited 23');
  await out('rm', id);
}, 120_000);

test('the daemon is killed: systemd starts it again, the container never ends', async () => {
  const pid = await inspect('stays', '{{.State.Pid}}');
  await daemon.kill9();
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  await daemon.start();
  expect(await inspect('stays', '{{.State.Status}} {{.State.Pid}}')).toBe(`running ${pid}`);
}, 120_000);

test('containers for after the reboot', async () => {
  for (const policy of ['always', 'unless-stopped', 'on-failure', 'no']) {
    await out(
      'run',
      '-d',
      '--name',
      policy,
      '--restart',
      policy,
      '-v',
      `of-${policy}:/v`,
      'busybox',
      'sh',
      '-c',
      'echo start >>/v/starts; exec sleep 1000000',
    );
  }
  await out('run', '-d', '--name', 'stopped', '--restart', 'unless-stopped', 'busybox', 'sleep', '1000000');
  await out('stop', '-t', '0', 'stopped');
  await out(
    'run',
    '-d',
    '--name',
    'web',
    '--restart',
    'always',
    '-p',
    '8080:80',
    'busybox',
    'httpd',
    '-f',
    '-h',
    '/etc',
  );
  expect(await out('ps', '-q')).toHaveLength(6 * 12 + 5);
}, 120_000);
