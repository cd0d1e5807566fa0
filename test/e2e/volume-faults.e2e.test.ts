/** Volumes when things go wrong: a daemon that is killed, a full disk, very many at once. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, run } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { makeSmallDisk, type SmallDisk } from '../support/small-disk.ts';

const volumesOf = (daemon: TestDaemon) => join(daemon.dataRoot, 'volumes');
const mountsBelow = (path: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${path}/`));

/** Rows, directories and mounts say the same. */
async function expectSound(daemon: TestDaemon, ...mounted: string[]): Promise<void> {
  const rows = (await daemon.ok('tare', ['volume', 'ls', '-q'])).split('\n').filter(Boolean);
  const directories = readdirSync(volumesOf(daemon)).filter((name) => !name.startsWith('.'));
  expect(directories.sort()).toEqual(rows.sort());
  expect(mountsBelow(volumesOf(daemon)).map((line) => line.split(' ')[4])).toEqual(
    mounted.map((name) => join(volumesOf(daemon), name, '_data')),
  );
  expect(mountsBelow(join(daemon.execRoot, 'm'))).toEqual([]);
  const check = await daemon.tare('system', 'check');
  expect(`${check.code} ${check.stdout}`).toBe('0 nothing wrong\n');
}

describe('a daemon', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startDaemon();
  }, 120_000);
  afterAll(async () => {
    await daemon?.stop();
  }, 120_000);

  const memory = ['-o', 'type=tmpfs', '-o', 'device=tmpfs'];
  const precious = () => join(daemon.root, 'precious');

  test('that is killed while volumes are made, mounted and removed: the next start converges', async () => {
    mkdirSync(precious());
    writeFileSync(join(precious(), 'file'), 'x');
    await daemon.ok('tare', ['volume', 'create', ...memory, 'mem']);
    await daemon.ok('tare', [
      'volume',
      'create',
      '-o',
      'type=none',
      '-o',
      `device=${precious()}`,
      '-o',
      'o=bind',
      'bound',
    ]);
    await daemon.ok('tare', ['volume', 'create', 'plain']);
    for (let round = 0; round < 6; round++) {
      const busy = [
        ['volume', 'create', `made-${round}`],
        ['volume', 'create', ...memory, `memory-${round}`],
        ['volume', 'clone', 'plain', `clone-${round}`],
        ['run', '--rm', '-v', 'mem:/m', '-v', 'bound:/b', '-v', '/anonymous', 'busybox', 'cat', '/b/file'],
        [
          'run',
          '--rm',
          '--mount',
          `type=bind,src=${precious()},dst=/b,ro,bind-recursive=disabled`,
          '-v',
          `fresh-${round}:/f`,
          'busybox',
          'true',
        ],
        ['volume', 'rm', '-f', `made-${round - 1}`, `memory-${round - 1}`, `clone-${round - 1}`],
        ['volume', 'rename', `fresh-${round - 1}`, `renamed-${round}`],
      ].map((args) => daemon.tare(...args));
      // Other moments in each round; what has ended by then has ended.
      await Bun.sleep(10 + round * 45);
      await daemon.kill9();
      await Promise.all(busy);
      await daemon.start();
      for (const id of await daemon.ids()) await daemon.tare('rm', '-f', '-v', id);
      await expectSound(daemon);
      expect(readFileSync(join(precious(), 'file'), 'utf8')).toBe('x');
    }
    // None of the anonymous ones is left, and all can be used and removed.
    await daemon.ok('tare', ['run', '--rm', '-v', 'mem:/m', '-v', 'bound:/b', 'busybox', 'cat', '/b/file']);
    const names = (await daemon.ok('tare', ['volume', 'ls', '-q'])).split('\n');
    expect(names.filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
    await daemon.ok('tare', ['volume', 'prune', '-af']);
    expect(await daemon.ok('tare', ['volume', 'ls', '-q'])).toBe('');
    expect(readFileSync(join(precious(), 'file'), 'utf8')).toBe('x');
  }, 240_000);

  test('200 creates of one name at once make one volume', async () => {
    const since = Math.floor(Date.now() / 1000);
    const bodies = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const label = { asked: String(index) };
        const response = await daemon.request('POST', '/volumes/create', { Name: 'one', Labels: label });
        return {
          status: response.status,
          body: (await response.json()) as { Labels: Record<string, string> },
        };
      }),
    );
    expect(new Set(bodies.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(bodies.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const query = `since=${since}&until=${Math.floor(Date.now() / 1000) + 1}&filters=${encodeURIComponent('{"volume":["one"]}')}`;
    const events = await (await daemon.request('GET', `/events?${query}`)).text();
    expect(
      events
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { Action: string }).Action),
    ).toEqual(['create']);
    // All but one of as many removals come too late.
    const gone = await Promise.all(
      Array.from({ length: 200 }, () => daemon.request('DELETE', '/volumes/one')),
    );
    expect(
      gone
        .map(({ status }) => status)
        .sort()
        .slice(0, 2),
    ).toEqual([204, 404]);
    expect(gone.filter(({ status }) => status === 204).length).toBe(1);
    await expectSound(daemon);
  }, 120_000);

  test('containers that are made while somebody removes their volume have it', async () => {
    let stop = false;
    const remover = (async () => {
      const answers = new Set<number>();
      while (!stop) answers.add((await daemon.request('DELETE', '/volumes/wanted')).status);
      return answers;
    })();
    for (let round = 0; round < 5; round++) {
      const made = await Promise.all(
        Array.from({ length: 8 }, () =>
          daemon.request('POST', '/containers/create', {
            Image: 'busybox',
            HostConfig: { Binds: ['wanted:/w'] },
          }),
        ),
      );
      expect(made.map(({ status }) => status)).toEqual(Array(8).fill(201));
      expect(existsSync(join(volumesOf(daemon), 'wanted', '_data'))).toBe(true);
      for (const id of await daemon.ids()) await daemon.request('DELETE', `/containers/${id}?force=1`);
    }
    stop = true;
    for (const status of await remover) expect([204, 404, 409]).toContain(status);
    await daemon.tare('volume', 'rm', '-f', 'wanted');
    await expectSound(daemon);
  }, 120_000);
});

describe('on a small disk', () => {
  let disk: SmallDisk;
  let place: string;
  let daemon: TestDaemon;
  beforeAll(async () => {
    disk = await makeSmallDisk('60M');
    place = disk.place;
    daemon = await startDaemon({ dataRoot: place });
  }, 120_000);
  afterAll(async () => {
    await daemon?.stop();
    await disk?.remove();
  }, 120_000);

  test('a full disk: a clear error, nothing half-made, and rm and prune still work', async () => {
    await daemon.ok('tare', ['volume', 'create', 'kept']);
    writeFileSync(join(place, 'volumes', 'kept', '_data', 'file'), 'x'.repeat(2_000_000));
    const id = await daemon.ok('tare', [
      'run',
      '-d',
      'busybox',
      'sh',
      '-c',
      'mkdir /data; dd if=/dev/urandom of=/data/big bs=1M count=8',
    ]);
    await daemon.ok('tare', ['wait', id]);
    await daemon.ok('tare', ['commit', id, 'with-data']);
    await daemon.ok('tare', ['rm', id]);
    mkdirSync(join(place, 'fill'));
    // What the removed container had is freed in the background.
    for (let times = 0; times < 10; times++) {
      const { bavail, bsize } = statfsSync(place);
      const spare = Math.floor(bavail * bsize - 4_000_000);
      if (spare > 0) await must(['fallocate', '-l', String(spare), join(place, 'fill', String(times))]);
      await Bun.sleep(200);
    }
    // The image's content is larger than what is free.
    const filled = await daemon.tare('create', '-v', 'filled:/data', 'with-data', 'true');
    expect(filled.code).not.toBe(0);
    expect(filled.stderr).toMatch(/no space left/i);
    expect((await daemon.tare('volume', 'clone', 'kept', 'copy')).code).toBe(0);
    expect((await daemon.tare('volume', 'clone', 'kept', 'copy-2')).stderr).toMatch(/no space left/i);
    await run(['dd', 'if=/dev/zero', `of=${join(place, 'rest')}`, 'bs=4096']);
    const refused = await daemon.tare('volume', 'create', 'more');
    if (refused.code !== 0) expect(refused.stderr).toMatch(/no space left|disk is full/i);
    await daemon.tare('volume', 'rm', '-f', 'more');
    expect((await daemon.ok('tare', ['volume', 'ls', '-q'])).split('\n')).toEqual(['copy', 'kept']);
    expect(await daemon.ids()).toEqual([]);
    expect(await daemon.ok('tare', ['volume', 'rm', 'copy'])).toBe('copy');
    await run(['dd', 'if=/dev/zero', `of=${join(place, 'rest')}`, 'bs=4096']);
    expect(await daemon.ok('tare', ['volume', 'prune', '-af'])).toContain('Deleted Volumes:\nkept');
    await expectSound(daemon);
    for (const name of ['fill', 'rest']) rmSync(join(place, name), { recursive: true });
    await daemon.ok('tare', ['run', '--rm', '-v', 'filled:/data', 'with-data', 'ls', '/data']);
  }, 120_000);
});
