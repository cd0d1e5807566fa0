/** Named and anonymous volumes through both clients: their life, the local driver's options, who uses them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../support/command.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
const where = (name: string) => join(daemon.dataRoot, 'volumes', name, '_data');
const mounted = (path: string) => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);
const sh = (...args: string[]) => daemon.tare('run', '--rm', ...args);

beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);

afterAll(async () => {
  await daemon?.stop();
}, 120_000);

describe.each(CLIENTS)('%s', (client) => {
  const run = (...args: string[]) => daemon.client(client, args);
  const ok = (...args: string[]) => daemon.ok(client, args);

  test('create, ls with filters, inspect, rm', async () => {
    expect(await ok('volume', 'create', '--label', 'team=a', '--label', 'x', 'vol-a')).toBe('vol-a');
    expect(await ok('volume', 'create', 'vol-b')).toBe('vol-b');
    // Again: the same one.
    expect(await ok('volume', 'create', '--label', 'other=1', 'vol-a')).toBe('vol-a');
    const ls = (...filters: string[]) =>
      ok('volume', 'ls', '-q', ...filters.flatMap((filter) => ['--filter', filter]));
    expect(await ls('name=vol-')).toBe('vol-a\nvol-b');
    expect(await ls('label=team=a')).toBe('vol-a');
    expect(await ls('label=team')).toBe('vol-a');
    expect(await ls('driver=local', 'name=vol-b')).toBe('vol-b');
    expect(await ls('driver=other')).toBe('');
    await ok('create', '--name', 'user', '-v', 'vol-b:/x', 'busybox');
    expect(await ls('dangling=true', 'name=vol-')).toBe('vol-a');
    expect(await ls('dangling=false', 'name=vol-')).toBe('vol-b');
    const [inspected] = JSON.parse(await ok('volume', 'inspect', 'vol-a')) as Array<Record<string, unknown>>;
    expect(inspected).toMatchObject({
      Name: 'vol-a',
      Driver: 'local',
      Scope: 'local',
      Labels: { team: 'a', x: '' },
      Options: null,
      Mountpoint: where('vol-a'),
    });
    const id = await ok('ps', '-aq', '--no-trunc');
    const inUse = await run('volume', 'rm', 'vol-b');
    expect(inUse.code).toBe(1);
    expect(inUse.stderr).toContain(`remove vol-b: volume is in use - [${id}]`);
    expect((await run('volume', 'rm', 'none')).stderr).toContain('get none: no such volume');
    expect(await ok('volume', 'rm', '-f', 'none')).toBe('none');
    await ok('rm', 'user');
    expect(await ok('volume', 'rm', 'vol-a', 'vol-b')).toBe('vol-a\nvol-b');
    expect(existsSync(where('vol-a'))).toBe(false);
  });

  test('anonymous volumes end with --rm and rm -v, and outlive rm', async () => {
    const count = async () => (await ok('volume', 'ls', '-q')).split('\n').filter(Boolean).length;
    await ok('run', '--rm', '-v', '/a', 'busybox', 'true');
    expect(await count()).toBe(0);
    await ok('run', '--name', 'cc', '-v', '/a', 'busybox', 'true');
    await ok('rm', '-v', 'cc');
    expect(await count()).toBe(0);
    await ok('run', '--name', 'cc', '-v', '/a', 'busybox', 'true');
    await ok('rm', 'cc');
    expect(await count()).toBe(1);
    await ok('volume', 'create', 'named');
    // Only anonymous ones without --all.
    expect(await ok('volume', 'prune', '-f')).toContain('Total reclaimed space: 0B');
    expect(await ok('volume', 'ls', '-q')).toBe('named');
    expect(await ok('volume', 'prune', '-f', '-a')).toContain('Deleted Volumes:\nnamed');
  });

  test("options of the local driver: refusals in Docker's words", async () => {
    const refused = async (...args: string[]) => (await run('volume', 'create', ...args, 'bad')).stderr;
    expect(await refused('-o', 'speed=1')).toContain('create bad: invalid option: "speed"');
    expect(await refused('-o', 'type=tmpfs')).toContain('create bad: missing required option: "device"');
    expect(await refused('-d', 'none')).toContain(
      'error looking up volume plugin none: plugin "none" not found',
    );
    expect(await ok('volume', 'ls', '-q')).toBe('');
  });
});

test('before API 1.42 a prune takes named volumes too', async () => {
  await daemon.ok('tare', ['volume', 'create', 'named']);
  const prune = async (version: string) =>
    ((await (await daemon.request('POST', `/v${version}/volumes/prune`)).json()) as Record<string, unknown>)
      .VolumesDeleted;
  expect(await prune('1.42')).toBeNull();
  expect(await prune('1.41')).toEqual(['named']);
});

test('a tmpfs volume is mounted from its first user to its last', async () => {
  const options = ['-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=1000,mode=0750'];
  await daemon.ok('docker', ['volume', 'create', ...options, 'mem']);
  const place = where('mem');
  expect(mounted(place)).toBe(false);
  const start = (name: string) =>
    daemon.ok('docker', ['run', '-d', '--name', name, '-v', 'mem:/m', 'busybox', 'sleep', '300']);
  await start('one');
  expect(mounted(place)).toBe(true);
  await daemon.ok('tare', ['exec', 'one', 'sh', '-c', 'echo 1 > /m/f']);
  await start('two');
  expect(await daemon.ok('tare', ['exec', 'two', 'cat', '/m/f'])).toBe('1');
  expect(await daemon.ok('tare', ['exec', 'two', 'stat', '-c', '%u %a', '/m'])).toBe('1000 750');
  const full = await daemon.tare('exec', 'two', 'dd', 'if=/dev/zero', 'of=/m/big', 'bs=1M', 'count=2');
  expect(full.stderr).toContain('No space left on device');
  await daemon.ok('tare', ['stop', '-t', '0', 'one']);
  expect(mounted(place)).toBe(true);
  // The count survives a daemon that is killed.
  await daemon.kill9();
  await daemon.start();
  expect(await daemon.ok('tare', ['exec', 'two', 'cat', '/m/f'])).toBe('1');
  await daemon.ok('tare', ['start', 'one']);
  await daemon.ok('tare', ['rm', '-f', 'two']);
  expect(await daemon.ok('tare', ['exec', 'one', 'cat', '/m/f'])).toBe('1');
  // The last one ends while no daemon looks.
  await daemon.kill9();
  await daemon.start();
  expect(mounted(place)).toBe(true);
  await daemon.ok('tare', ['rm', '-f', 'one']);
  expect(mounted(place)).toBe(false);
  expect(await sh('-v', 'mem:/m', 'busybox', 'ls', '/m')).toMatchObject({ code: 0, stdout: '' });
  await daemon.ok('tare', ['volume', 'rm', 'mem']);
}, 120_000);

test('a bind volume shows a directory of the host, and its removal leaves that alone', async () => {
  const host = join(daemon.root, 'host-data');
  mkdirSync(host);
  writeFileSync(join(host, 'precious'), 'x');
  const options = ['-o', 'type=none', '-o', `device=${host}`, '-o', 'o=bind'];
  await daemon.ok('docker', ['volume', 'create', ...options, 'bound']);
  expect((await sh('-v', 'bound:/b', 'busybox', 'cat', '/b/precious')).stdout).toBe('x');
  await daemon.ok('docker', ['run', '-d', '--name', 'bb', '-v', 'bound:/b', 'busybox', 'sleep', '300']);
  // A daemon that dies with it mounted, and a removal after that.
  await daemon.kill9();
  await daemon.start();
  await daemon.ok('tare', ['rm', '-f', 'bb']);
  await daemon.ok('docker', ['volume', 'rm', 'bound']);
  expect(readFileSync(join(host, 'precious'), 'utf8')).toBe('x');
  expect(existsSync(join(daemon.dataRoot, 'volumes', 'bound'))).toBe(false);

  await daemon.ok('docker', [
    'volume',
    'create',
    '-o',
    'type=none',
    '-o',
    `device=${host}/no`,
    '-o',
    'o=bind',
    'bad',
  ]);
  const failed = await daemon.docker('run', '--rm', '-v', 'bad:/b', 'busybox', 'true');
  // The client's own choice, by the words of the message.
  expect(failed.code).toBe(127);
  expect(failed.stderr).toContain(
    `error while mounting volume '${where('bad')}': failed to mount local volume: mount ${host}/no:`,
  );
  expect(failed.stderr).toContain('no such file or directory');
  await daemon.ok('docker', ['volume', 'rm', 'bad']);
}, 60_000);

test('a volume on a file system of its own', async () => {
  const disk = join(daemon.root, 'disk.img');
  await must(['truncate', '-s', '8M', disk]);
  await must(['mkfs.ext4', '-q', '-F', disk]);
  await daemon.ok('docker', [
    'volume',
    'create',
    '-o',
    'type=ext4',
    '-o',
    `device=${disk}`,
    '-o',
    'o=nosuid',
    'disk',
  ]);
  expect((await sh('-v', 'disk:/d', 'busybox', 'sh', '-c', 'echo 1 > /d/f')).code).toBe(0);
  expect((await sh('-v', 'disk:/d', 'busybox', 'cat', '/d/f')).stdout).toBe('1\n');
  expect(mounted(where('disk'))).toBe(false);
  await daemon.ok('docker', ['volume', 'rm', 'disk']);
  await daemon.ok('docker', ['volume', 'create', '-o', 'type=nofs', '-o', `device=${disk}`, 'odd']);
  const failed = await sh('-v', 'odd:/d', 'busybox', 'true');
  expect(failed.stderr).toContain(`failed to mount local volume: mount ${disk}:${where('odd')}`);
  expect(failed.stderr).toMatch(/unknown filesystem type|no such device/i);
  await daemon.ok('docker', ['volume', 'rm', 'odd']);
}, 60_000);

test('sizes and users in system df, and a volume that --mount makes', async () => {
  const mount = 'type=volume,src=made,dst=/m,volume-label=a=b,volume-opt=type=tmpfs,volume-opt=device=tmpfs';
  await daemon.ok('docker', ['run', '--rm', '--mount', mount, 'busybox', 'true']);
  const labels = await daemon.ok('docker', ['volume', 'inspect', '-f', '{{.Labels}} {{.Options}}', 'made']);
  expect(labels).toBe('map[a:b] map[device:tmpfs type:tmpfs]');
  await sh('-v', 'sized:/s', 'busybox', 'dd', 'if=/dev/zero', 'of=/s/f', 'bs=1000', 'count=5');
  await daemon.ok('docker', ['create', '--name', 'holds', '-v', 'sized:/s', 'busybox', 'true']);
  const { Volumes } = (await (await daemon.request('GET', '/system/df')).json()) as {
    Volumes: Array<Record<string, unknown>>;
  };
  // As dockerd: one with a mount of its own takes nothing of this disk.
  expect(Volumes.map(({ Name, UsageData }) => ({ Name, UsageData }))).toEqual([
    { Name: 'sized', UsageData: { Size: 5000, RefCount: 1 } },
  ]);
  await daemon.ok('docker', ['rm', 'holds']);
  await daemon.ok('docker', ['volume', 'rm', 'made', 'sized']);
});

test('events of a volume', async () => {
  // The log of events is by the second.
  await Bun.sleep(1100);
  const since = String(Math.floor(Date.now() / 1000));
  await daemon.ok('docker', ['volume', 'create', 'seen']);
  await daemon.ok('docker', ['run', '--rm', '-v', 'seen:/s:ro', 'busybox', 'true']);
  await daemon.ok('docker', ['volume', 'rm', 'seen']);
  await daemon.ok('docker', ['volume', 'prune', '-f']);
  const until = String(Math.floor(Date.now() / 1000) + 1);
  const events = (
    await daemon.ok('docker', [
      ...['events', '--since', since, '--until', until, '--filter', 'type=volume', '--format', '{{json .}}'],
    ])
  )
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as { Action: string; Actor: { ID: string; Attributes: Record<string, string> } },
    );
  expect(events.map(({ Action }) => Action)).toEqual(['create', 'mount', 'unmount', 'destroy', 'prune']);
  const [create, mount, unmount, , prune] = events;
  expect(create?.Actor).toEqual({ ID: 'seen', Attributes: { driver: 'local' } });
  expect(mount?.Actor.Attributes).toMatchObject({
    driver: 'local',
    destination: '/s',
    'read/write': 'false',
  });
  expect(unmount?.Actor.Attributes.container).toMatch(/^[0-9a-f]{64}$/);
  expect(prune?.Actor.Attributes).toEqual({ reclaimed: '0' });
});
