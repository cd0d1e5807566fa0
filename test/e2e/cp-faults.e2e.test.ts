/** `cp` and `commit` when things go wrong: swapped paths, kill -9, full disks, clients that leave, hostile archives. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { encodeTarHeader, type TarMember, tarEnd, tarPadding } from '../../src/archive/tar-writer.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
let place: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  place = mkdtempSync('/tmp/tare-cp-faults-');
}, 120_000);
afterAll(async () => {
  rmSync(place, { recursive: true, force: true });
  await daemon?.stop();
}, 120_000);

function tarOf(...members: Array<TarMember & { content?: string }>): Uint8Array {
  const parts = members.flatMap(({ content = '', ...member }) => [
    encodeTarHeader({ ...member, size: content.length }),
    Buffer.from(content),
    tarPadding(content.length),
  ]);
  return Buffer.concat([...parts, tarEnd()]);
}

const file = (name: string, content: string) => ({ type: 'file' as const, name, content });

async function put(id: string, path: string, tar: Uint8Array, query = ''): Promise<[number, string]> {
  const answer = await daemon.request('PUT', `/containers/${id}/archive?path=${path}${query}`, tar);
  const text = await answer.text();
  return [answer.status, text === '' ? '' : (JSON.parse(text) as { message: string }).message];
}

/** A PUT whose body is begun and neither continued nor ended. */
function beginPut(id: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const socket = connect(daemon.socket, () => {
      socket.write(
        `PUT /containers/${id}/archive?path=/ HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      const head = encodeTarHeader({ type: 'file', name: 'half', size: 2 ** 30 });
      const piece = Buffer.concat([head, Buffer.alloc(4 * 1024 * 1024)]);
      socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece, () => resolve(() => socket.destroy()));
    });
    socket.on('error', reject);
  });
}

const run = (...args: string[]): Promise<string> => daemon.ok('tare', ['run', '-d', ...args]);
const exec = (id: string, script: string): Promise<string> =>
  daemon.ok('tare', ['exec', id, 'sh', '-c', script]);

test('nothing outside is read or written while a container swaps directories and links', async () => {
  const outside = join(place, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'of the host');
  const swap = `mkdir -p /a ${outside}; echo of the container >/a/secret; cp /a/secret ${outside}
    while :; do ln -s ${outside} /l; mv -T /a /b; mv -T /l /a; rm /a; mv -T /b /a; done`;
  const id = await run('busybox', 'sh', '-c', swap);
  const tar = tarOf(file('a/planted', 'x'), file('planted', 'x'));
  const read = new Set<string>();
  for (let i = 0; i < 60; i++) {
    await put(id, '/', tar);
    await put(id, '/a', tar);
    const answer = await daemon.request('GET', `/containers/${id}/archive?path=/a/secret`);
    if (answer.ok) read.add((await answer.text()).includes('of the host') ? 'host' : 'container');
    const whole = await daemon.request('GET', `/containers/${id}/archive?path=/a/.`);
    if (whole.ok) read.add((await whole.text()).includes('of the host') ? 'host' : 'container');
  }
  expect([...read]).toEqual(['container']);
  expect(readdirSync(outside)).toEqual(['secret']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('of the host');
  await daemon.ok('tare', ['rm', '-f', id]);
}, 120_000);

test('refusals in Docker’s words', async () => {
  mkdirSync(join(place, 'bind'));
  const id = await run(
    ...['--read-only', '-v', `${place}/bind:/ro:ro`, '-v', '/vol', '--tmpfs', '/mem'],
    ...['busybox', 'sleep', '1000'],
  );
  const ok = tarOf(file('f', 'x'));
  expect(await put(id, '/', ok)).toEqual([403, 'container rootfs is marked read-only']);
  expect(await put(id, '/ro', ok)).toEqual([403, 'mounted volume is marked read-only']);
  expect(await put(id, '/nope', ok)).toEqual([404, `Could not find the file /nope in container ${id}`]);
  expect(await put(id, '/bin/busybox', ok)).toEqual([400, 'extraction point is not a directory']);
  expect(await put(id, '', ok)).toEqual([400, 'bad parameter: pathcannot be empty']);
  expect(await put(id, '/vol', ok)).toEqual([200, '']);
  expect(await put(id, '/mem', ok)).toEqual([200, '']);
  expect(await exec(id, 'cat /vol/f /mem/f')).toBe('xx');
  const merge = '&noOverwriteDirNonDir=true';
  expect(await put(id, '/vol', tarOf({ type: 'directory', name: 'f' }), merge)).toEqual([
    500,
    'cannot overwrite non-directory "/vol/f" with directory "/vol"',
  ]);
  // One byte of three: an archive may end without padding, but not within a member's contents.
  const cut = tarOf(file('f', 'xyz')).subarray(0, 513);
  expect(await put(id, '/vol', cut)).toEqual([500, expect.stringContaining('truncated')]);
  expect(await put(id, '/vol', tarOf(file('n'.repeat(256), 'x')))).toEqual([
    400,
    expect.stringContaining('file name too long'),
  ]);
  expect(await put(id, '/vol', tarOf(file('n'.repeat(255), 'y')))).toEqual([200, '']);
  expect(await exec(id, 'cat /vol/nnn*')).toBe('y');
  await daemon.ok('tare', ['rm', '-fv', id]);
}, 120_000);

test('compressed bodies; owners of the archive, or of the container’s user', async () => {
  const id = await run('-u', '7:8', '--tmpfs', '/mem:mode=1777', 'busybox', 'sleep', '1000');
  const owned = tarOf({ ...file('f', 'x'), uid: 1000, gid: 1001, mode: 0o4751 });
  const owner = () => exec(id, 'stat -c "%u:%g %a" /tmp/f');
  for (const packed of [owned, Bun.gzipSync(Buffer.from(owned)), Bun.zstdCompressSync(Buffer.from(owned))]) {
    expect(await put(id, '/tmp', packed)).toEqual([200, '']);
    expect(await owner()).toBe('1000:1001 4751');
  }
  expect(await put(id, '/tmp', owned, '&copyUIDGID=1')).toEqual([200, '']);
  expect(await owner()).toBe('7:8 4751');
  await daemon.ok('tare', ['rm', '-f', id]);
}, 120_000);

test('a full file system is told, and what fits fits afterwards', async () => {
  const id = await run('--tmpfs', '/mem:size=1m', 'busybox', 'sleep', '1000');
  const [status, message] = await put(id, '/mem', tarOf(file('large', 'x'.repeat(4 * 1024 * 1024))));
  expect([status, message]).toEqual([500, expect.stringContaining('no space left on device')]);
  expect(await exec(id, 'ls /mem')).toBe('');
  expect(await put(id, '/mem', tarOf(file('small', 'x')))).toEqual([200, '']);
  await daemon.ok('tare', ['rm', '-f', id]);
}, 120_000);

test('a client that leaves in the middle holds nothing up', async () => {
  const id = await daemon.ok('tare', ['create', '-v', '/vol', 'busybox', 'sleep', '1000']);
  (await beginPut(id))();
  await daemon.ok('tare', ['start', id], { timeout: 60_000 });
  expect(await exec(id, 'ls -d /half 2>/dev/null || echo none')).toBe('none');
  (await beginPut(id))();
  await until(
    'the half is gone',
    async () => (await exec(id, 'ls -d /half 2>/dev/null || echo none')) === 'none',
    30_000,
  );
  await daemon.ok('tare', ['rm', '-fv', id]);
}, 120_000);

test('kill -9 in the middle of a copy leaves no mount, and the container starts', async () => {
  const id = await daemon.ok('tare', ['create', '-v', '/vol', 'busybox', 'sleep', '1000']);
  const leave = await beginPut(id);
  await Bun.sleep(300);
  await daemon.kill9();
  leave();
  await daemon.start();
  expect(daemon.traces().filter((line) => line.startsWith('mount') && !line.includes('erofs'))).toEqual([]);
  expect(await put(id, '/', tarOf(file('whole', 'x')))).toEqual([200, '']);
  await daemon.ok('tare', ['start', id]);
  expect(await exec(id, 'cat /whole')).toBe('x');
  await daemon.ok('tare', ['rm', '-fv', id]);
}, 120_000);

test('kill -9 in the middle of a commit leaves no frozen container and no image', async () => {
  const id = await run('busybox', 'sh', '-c', 'dd if=/dev/urandom of=/large bs=1M count=120; sleep 1000');
  await until(
    'the change is there',
    async () => (await exec(id, 'stat -c %s /large')) === '125829120',
    60_000,
  );
  const images = await daemon.ok('tare', ['images', '-aq']);
  const committing = daemon.tare('commit', id, 'half:1');
  await until('it is frozen', async () => isFrozen(id), 30_000);
  await daemon.kill9();
  await committing;
  await daemon.start();
  expect(await daemon.ok('tare', ['inspect', '-f', '{{.State.Status}}', id])).toBe('running');
  expect(await exec(id, 'echo alive')).toBe('alive');
  expect(await daemon.ok('tare', ['images', '-aq'])).toBe(images);
  await daemon.ok('tare', ['commit', id, 'whole:1']);
  expect(await daemon.ok('tare', ['run', '--rm', 'whole:1', 'stat', '-c', '%s', '/large'])).toBe('125829120');
  await daemon.ok('tare', ['rm', '-f', id]);
}, 180_000);

function isFrozen(id: string): boolean {
  for (const path of [
    `/sys/fs/cgroup/freezer/tare/${id}/freezer.state`,
    `/sys/fs/cgroup/tare/${id}/cgroup.freeze`,
  ]) {
    if (existsSync(path)) return /FROZEN|FREEZING|1/.test(readFileSync(path, 'utf8'));
  }
  return false;
}

test('a file of 2 GB goes through in bounded memory', async () => {
  const id = await run('busybox', 'sh', '-c', 'truncate -s 2G /large; sleep 1000');
  await until(
    'it is there',
    async () => (await daemon.request('HEAD', `/containers/${id}/archive?path=/large`)).ok,
  );
  const resident = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]);
  const before = resident();
  let most = 0;
  let bytes = 0;
  const answer = await daemon.request('GET', `/containers/${id}/archive?path=/large`);
  for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    most = Math.max(most, resident());
  }
  expect(bytes).toBe(2 ** 31 + 512 + 1024);
  expect((most - before) / 1024).toBeLessThan(160);
  await daemon.ok('tare', ['rm', '-f', id]);
}, 180_000);
