/** Volume drivers of others, over Docker's plugin protocol v1. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { VolumePlugin } from '../support/volume-plugin.ts';

let daemon: TestDaemon;
let home: string;
let plugin: VolumePlugin;
let remote: VolumePlugin;
const docker = (...args: string[]) => daemon.ok('docker', args);

beforeAll(async () => {
  home = mkdtempSync('/tmp/tare-plugins-');
  for (const name of ['sockets', 'specs']) mkdirSync(join(home, name));
  plugin = new VolumePlugin({
    root: join(home, 'own'),
    socket: join(home, 'sockets', 'own.sock'),
    scope: 'global',
  });
  remote = new VolumePlugin({ root: join(home, 'remote') });
  writeFileSync(
    join(home, 'specs', 'remote.json'),
    JSON.stringify({ Name: 'remote', Addr: `http://127.0.0.1:${remote.port}` }),
  );
  const folders = ['sockets', 'specs'].flatMap((name) => ['--plugin-dir', join(home, name)]);
  daemon = await startDaemon({ args: folders });
}, 120_000);

afterAll(async () => {
  await daemon?.stop();
  plugin?.down();
  remote?.down();
  rmSync(home, { recursive: true, force: true });
}, 120_000);

afterEach(() => {
  plugin.calls.length = 0;
});

test('create, mount, use, unmount, remove', async () => {
  expect(await docker('volume', 'create', '-d', 'own', '-o', 'size=3', '--label', 'a=b', 'vol')).toBe('vol');
  expect(plugin.volumes.get('vol')?.options).toEqual({ size: '3' });
  await docker(
    'run',
    '-d',
    '--name',
    'cc',
    '-v',
    'vol:/v',
    'busybox',
    'sh',
    '-c',
    'echo 1 > /v/f; sleep 300',
  );
  const [inspected] = JSON.parse(await docker('volume', 'inspect', 'vol')) as Array<Record<string, unknown>>;
  expect(inspected).toEqual({
    CreatedAt: '2026-01-02T03:04:05Z',
    Driver: 'own',
    Labels: { a: 'b' },
    Mountpoint: join(home, 'own', 'vol'),
    Name: 'vol',
    Options: { size: '3' },
    Scope: 'global',
    Status: { options: { size: '3' }, users: 1 },
  });
  await daemon.ok('tare', ['exec', 'cc', 'cat', '/v/f']);
  expect(readFileSync(join(home, 'own', 'vol', 'f'), 'utf8')).toBe('1\n');
  expect((await daemon.docker('volume', 'rm', 'vol')).stderr).toContain('volume is in use');
  // Still mounted when the daemon was killed, and unmounted by the next one.
  await daemon.kill9();
  await daemon.start();
  expect(plugin.volumes.get('vol')?.users.size).toBe(1);
  await docker('rm', '-f', 'cc');
  expect(plugin.volumes.get('vol')?.users.size).toBe(0);
  expect(await docker('volume', 'rm', 'vol')).toBe('vol');
  // At create for what the image has there, at start for the container.
  expect(plugin.calls).toEqual([
    ...['Create vol', 'Mount vol', 'Unmount vol', 'Mount vol', 'Unmount vol', 'Remove vol'],
  ]);
});

test('--volume-driver, --mount volume-driver and anonymous volumes', async () => {
  await docker(
    'run',
    '--rm',
    '--volume-driver',
    'own',
    '-v',
    'aa:/a',
    '-v',
    '/b',
    'busybox',
    'touch',
    '/a/x',
    '/b/x',
  );
  await docker(
    'run',
    '--rm',
    '--mount',
    'type=volume,src=bb,dst=/b,volume-driver=own,volume-opt=k=v',
    'busybox',
    'true',
  );
  expect([...plugin.volumes.keys()]).toEqual(['aa', 'bb']);
  expect(plugin.volumes.get('bb')?.options).toEqual({ k: 'v' });
  await docker('volume', 'rm', 'aa', 'bb');
});

test('ls and inspect see what only the plugin knows; a name is one volume', async () => {
  await docker('volume', 'create', 'mine');
  plugin.volumes.set('theirs', { options: {}, users: new Set() });
  mkdirSync(join(home, 'own', 'theirs'));
  const ls = await docker('volume', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}');
  expect(ls.split('\n')).toEqual(['mine local local', 'theirs own global']);
  expect(await docker('volume', 'ls', '-q', '--filter', 'driver=own')).toBe('theirs');
  expect(await docker('volume', 'inspect', '-f', '{{.Driver}}', 'theirs')).toBe('own');
  const conflict = await daemon.docker('volume', 'create', '-d', 'own', 'mine');
  expect(conflict.stderr).toContain(
    "create mine: driver 'local' already has volume 'mine': volume name must be unique",
  );
  // A container that names no driver gets the one that is there.
  await docker('run', '--rm', '-v', 'theirs:/t', 'busybox', 'touch', '/t/f');
  expect(readFileSync(join(home, 'own', 'theirs', 'f'), 'utf8')).toBe('');
  // A prune is of local volumes.
  expect(await docker('volume', 'prune', '-af')).toContain('Deleted Volumes:\nmine\n');
  await docker('volume', 'rm', 'theirs');
  expect(plugin.volumes.size).toBe(0);
});

test('an address in a file', async () => {
  await docker('volume', 'create', '-d', 'remote', 'far');
  await docker('run', '--rm', '-v', 'far:/f', 'busybox', 'touch', '/f/x');
  expect(remote.calls.at(-1)).toBe('Unmount far');
  await docker('volume', 'rm', 'far');
  expect(await docker('info', '-f', '{{.Plugins.Volume}}')).toBe('[local own remote]');
});

test("what a plugin refuses is told in its words; what is no plugin in Docker's", async () => {
  plugin.refusals.set('Create', 'no room in the array');
  expect((await daemon.docker('volume', 'create', '-d', 'own', 'vv')).stderr).toContain(
    'create vv: VolumeDriver.Create: no room in the array',
  );
  expect((await daemon.docker('volume', 'create', '-d', 'none', 'vv')).stderr).toContain(
    'create vv: error looking up volume plugin none: plugin "none" not found',
  );
  await docker('volume', 'create', '-d', 'own', 'vv');
  const id = await docker('create', '-v', 'vv:/v', 'busybox', 'true');
  plugin.refusals.set('Mount', 'the server is on fire');
  const failed = await daemon.docker('start', id);
  expect(failed.stderr).toContain('VolumeDriver.Mount: the server is on fire');
  await docker('start', id);
  await docker('rm', '-f', id);
  await docker('volume', 'rm', 'vv');
  const names = JSON.parse(
    await docker('volume', 'ls', '--format', 'json').then((text) => text || '{}'),
  ) as unknown;
  expect(names).toEqual({});
});

test('a plugin that is down: others are listed, its volumes can be forgotten, and it may come back', async () => {
  await docker('volume', 'create', '-d', 'own', 'lost');
  await docker('volume', 'create', 'mine');
  plugin.down();
  expect((await docker('volume', 'ls', '-q')).split('\n')).toContain('mine');
  const failed = await daemon.docker('run', '--rm', '-v', 'lost:/l', 'busybox', 'true');
  expect(failed.code).toBe(125);
  expect(failed.stderr).toContain('error while mounting volume');
  plugin.up();
  await docker('run', '--rm', '-v', 'lost:/l', 'busybox', 'true');
  plugin.down();
  await docker('volume', 'rm', '-f', 'lost');
  expect(await docker('volume', 'ls', '-q')).toBe('mine');
  plugin.up();
  await docker('volume', 'rm', 'mine', 'lost');
}, 120_000);
