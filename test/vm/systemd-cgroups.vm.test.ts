/** systemd makes the cgroups: exec-opts native.cgroupdriver=systemd. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { must, run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const CONFIG = '/etc/tare/daemon.json';
let daemon: TestDaemon;
const before = existsSync(CONFIG) ? readFileSync(CONFIG, 'utf8') : '{}';
const restart = () => must(['systemctl', 'restart', 'tare'], { timeout: 120_000 });

let earlier = '';
beforeAll(async () => {
  daemon = await startDaemon();
  earlier = await out('run', '-d', 'busybox', 'sleep', '1000');
  writeFileSync(CONFIG, '{ "exec-opts": ["native.cgroupdriver=systemd"] }\n');
  await restart();
}, 180_000);
afterAll(async () => {
  writeFileSync(CONFIG, before);
  await restart();
  await daemon?.stop();
}, 180_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const inspect = (id: string, format: string) => out('inspect', '-f', format, id);
const groupOf = async (id: string) =>
  readFileSync(`/proc/${await inspect(id, '{{.State.Pid}}')}/cgroup`, 'utf8')
    .trim()
    .slice('0::'.length);

test('a container is a scope with its limits; they are systemd properties, too', async () => {
  expect(await out('info', '--format', '{{.CgroupDriver}}')).toBe('systemd');
  const flags = ['--memory=64m', '--memory-swap=64m', '--cpus=.5', '--pids-limit=30'];
  const id = await out('run', '-d', ...flags, 'busybox', 'sleep', '1000');
  const group = await groupOf(id);
  expect(group).toBe(`/system.slice/tare-${id}.scope`);
  const file = (name: string) => readFileSync(`/sys/fs/cgroup${group}/${name}`, 'utf8').trim();
  expect(['memory.max', 'memory.swap.max', 'cpu.max', 'pids.max'].map(file)).toEqual([
    '67108864',
    '0',
    '50000 100000',
    '30',
  ]);
  const shown = await must(['systemctl', 'show', '-p', 'MemoryMax', '-p', 'TasksMax', `tare-${id}.scope`]);
  expect(shown.split('\n').sort()).toEqual(['MemoryMax=67108864', 'TasksMax=30']);
  // What systemd does to its units must not take the limits away.
  await must(['systemctl', 'daemon-reload'], { timeout: 60_000 });
  expect(file('cpu.max')).toBe('50000 100000');
  await out('update', '--cpus=.25', '--memory=80m', '--memory-swap=80m', id);
  expect([file('cpu.max'), file('memory.max')]).toEqual(['25000 100000', '83886080']);
  await until('systemd knows', async () =>
    (await must(['systemctl', 'show', '-p', 'MemoryMax', `tare-${id}.scope`])).includes('83886080'),
  );
  expect(file('cpu.max')).toBe('25000 100000');
  expect(await out('exec', id, 'cat', '/proc/self/cgroup')).toBe('0::/');
  await out('pause', id);
  expect(file('cgroup.freeze')).toBe('1');
  await out('unpause', id);
  await out('stop', '-t', '0', id);
  await out('start', id);
  expect(await groupOf(id)).toBe(group);
  await out('rm', '-f', id);
  await until(
    'the scope is gone',
    async () => (await run(['systemctl', 'is-active', `tare-${id}.scope`])).code !== 0,
  );
  expect(existsSync(`/sys/fs/cgroup${group}`)).toBe(false);
}, 120_000);

test('out of memory is told, and the same container starts again', async () => {
  const id = await out(
    'run',
    '-d',
    '--memory=24m',
    '--memory-swap=24m',
    '--shm-size=100m',
    'busybox',
    'sh',
    '-c',
    'head -c 64m /dev/zero >/dev/shm/x; exit 3',
  );
  await out('wait', id);
  expect(await inspect(id, '{{.State.OOMKilled}}')).toBe('true');
  await out('start', id);
  await out('wait', id);
  expect(await inspect(id, '{{.State.OOMKilled}}')).toBe('true');
  await out('rm', id);
}, 120_000);

test('a slice of its own; another parent is refused', async () => {
  const id = await out('run', '-d', '--cgroup-parent=shop-db.slice', 'busybox', 'sleep', '1000');
  expect(await groupOf(id)).toBe(`/shop.slice/shop-db.slice/tare-${id}.scope`);
  await out('rm', '-f', id);
  const refused = await daemon.tare('run', '--rm', '--cgroup-parent=/shop', 'busybox', 'true');
  expect(refused.stderr).toContain(
    'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
  );
}, 60_000);

test('a container from before is still one', async () => {
  expect(await groupOf(earlier)).toBe(`/tare/${earlier}`);
  expect(await out('exec', earlier, 'echo', 'in')).toBe('in');
  await out('restart', '-t', '0', earlier);
  expect(await groupOf(earlier)).toBe(`/system.slice/tare-${earlier}.scope`);
}, 60_000);
