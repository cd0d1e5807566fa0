/** The daemon is installed as packaging/systemd/README.md says, and started by its socket. */
import { afterAll, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { must, run } from '../support/command.ts';
import { startDaemon } from '../support/daemon.ts';

const ROOT = resolve(import.meta.dir, '../..');
const active = async (unit: string) => (await run(['systemctl', 'is-active', unit])).stdout.trim();
const tare = (...args: string[]) => must(['tare', ...args], { timeout: 120_000 });

afterAll(async () => {
  await (await startDaemon()).stop();
}, 120_000);

test('the commands of the README install it', async () => {
  const readme = readFileSync(`${ROOT}/packaging/systemd/README.md`, 'utf8');
  const commands = /```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  expect(commands).toContain('systemctl enable --now tare.socket');
  await must(['sh', '-exc', commands], { cwd: ROOT });
  expect(await active('tare.socket')).toBe('active');
  expect(await active('tare.service')).toBe('inactive');
}, 60_000);

test('the first client starts it', async () => {
  expect(await tare('version', '--format', '{{.Server.Version}}')).toMatch(/^\d+\.\d+/);
  expect(await active('tare.service')).toBe('active');
  expect(await tare('run', '--rm', 'busybox', 'echo', 'hello')).toBe('hello');
}, 120_000);

test('info: cgroup v2, and why layers are not EROFS on kernels that mount none from files', async () => {
  const info = JSON.parse(await tare('info', '--format', '{{json .}}'));
  expect(info).toMatchObject({ CgroupVersion: '2', CgroupDriver: 'cgroupfs' });
  expect(existsSync('/sys/fs/cgroup/cgroup.controllers')).toBe(true);
  const [major = 0, minor = 0] = info.KernelVersion.split('.').map(Number);
  if (major > 6 || (major === 6 && minor >= 12)) expect(info.Driver).toBe('erofs');
  else {
    expect(info.Driver).toBe('overlay');
    expect(JSON.stringify(info.DriverStatus)).toContain('Not EROFS');
  }
  expect(info.Warnings ?? []).toEqual([]);
});

test('reload and a wrong configuration file', async () => {
  await Bun.write('/etc/tare/daemon.json', '{ "labels": ["place=vm"] }\n');
  await must(['systemctl', 'reload', 'tare']);
  await Bun.sleep(500);
  expect(await tare('info', '--format', '{{json .Labels}}')).toBe('["place=vm"]');
});
