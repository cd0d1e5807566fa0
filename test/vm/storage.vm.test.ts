/** Storage that the machines outside lack the kernel for: NFS volumes, and sizes by project quotas. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const SHARE = '/srv/tare-share';
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  mkdirSync(SHARE, { recursive: true });
  writeFileSync(join(SHARE, 'greeting'), 'hello\n');
  await must(['systemctl', 'start', 'nfs-server'], { timeout: 120_000 });
  await must(['exportfs', '-o', 'rw,no_root_squash,insecure,fsid=7', `127.0.0.1:${SHARE}`]);
}, 240_000);
afterAll(async () => {
  await must(['exportfs', '-u', `127.0.0.1:${SHARE}`]).catch(() => {});
  rmSync(SHARE, { recursive: true, force: true });
  await daemon?.stop();
}, 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const mounted = (name: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8').includes(`/volumes/${name}/_data `);

test.each(['addr=127.0.0.1', 'addr=localhost'])(
  'an NFS volume, %s',
  async (address) => {
    const options = ['-o', 'type=nfs', '-o', `o=${address},rw,nfsvers=4`, '-o', `device=:${SHARE}`];
    await out('volume', 'create', ...options, 'share');
    expect(mounted('share')).toBe(false);
    expect(await out('run', '--rm', '-v', 'share:/s', 'busybox', 'cat', '/s/greeting')).toBe('hello');
    const id = await out('run', '-d', '-v', 'share:/s', 'busybox', 'sleep', '1000');
    expect(mounted('share')).toBe(true);
    await out('exec', id, 'sh', '-c', 'echo written > /s/back');
    await until('the server has it', () => readFileSync(join(SHARE, 'back'), 'utf8') === 'written\n');
    // Counted over a restart of the daemon, and unmounted with the last user.
    await must(['systemctl', 'restart', 'tare'], { timeout: 120_000 });
    expect(await out('exec', id, 'cat', '/s/back')).toBe('written');
    await out('rm', '-f', id);
    expect(mounted('share')).toBe(false);
    await out('volume', 'rm', 'share');
    expect(readFileSync(join(SHARE, 'greeting'), 'utf8')).toBe('hello\n');
  },
  240_000,
);

test('a share that is refused: a clear error, and the volume can be removed', async () => {
  const options = [
    '-o',
    'type=nfs',
    '-o',
    'o=addr=127.0.0.1,nfsvers=4,soft,timeo=20,retrans=1',
    '-o',
    'device=:/nothing',
  ];
  await out('volume', 'create', ...options, 'none');
  const failed = await daemon.tare('run', '--rm', '-v', 'none:/n', 'busybox', 'true');
  expect(failed.code).not.toBe(0);
  expect(failed.stderr).toContain('failed to mount local volume: mount :/nothing:');
  await out('volume', 'rm', 'none');
}, 240_000);

test('--storage-opt size= holds for the writable layer', async () => {
  const write = (...flags: string[]) =>
    daemon.tare('run', '--rm', ...flags, 'busybox', 'dd', 'if=/dev/zero', 'of=/f', 'bs=1M', 'count=16');
  const full = await write('--storage-opt', 'size=8m');
  expect(full.code).not.toBe(0);
  expect(full.stderr).toMatch(/No space left on device|Disk quota exceeded/);
  expect(await write('--storage-opt', 'size=32m')).toMatchObject({ code: 0 });
  expect(await write()).toMatchObject({ code: 0 });
}, 240_000);

test('size= holds, for each volume its own', async () => {
  for (const name of ['small', 'large']) {
    await out('volume', 'create', '-o', `size=${name === 'small' ? '8m' : '32m'}`, name);
  }
  const write = (volume: string) =>
    daemon.tare(
      'run',
      '--rm',
      '-v',
      `${volume}:/v`,
      'busybox',
      'dd',
      'if=/dev/zero',
      'of=/v/f',
      'bs=1M',
      'count=16',
    );
  const full = await write('small');
  expect(full.code).not.toBe(0);
  expect(full.stderr).toMatch(/No space left on device|Disk quota exceeded/);
  expect(await write('large')).toMatchObject({ code: 0 });
  const place = await out('volume', 'inspect', '-f', '{{.Mountpoint}}', 'small');
  expect(statSync(join(place, 'f')).size).toBeLessThanOrEqual(8 << 20);
  await out('volume', 'rm', 'small', 'large');
}, 240_000);
