/** Many containers at the same time. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeEach(async () => {
  daemon = await startDaemon({ isolated: true, bip: '172.29.0.1/16' });
}, 120_000);
afterEach(() => daemon?.stop(), 300_000);

/** Without the layers of images: all containers share those. */
const mounts = () =>
  readFileSync(`/proc/${daemon.pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => !line.includes('/erofs/m/')).length;

async function expectGone(): Promise<void> {
  expect(await daemon.ok('tare', ['ps', '-aq'])).toBe('');
  expect(daemon.traces()).toEqual([]);
}

test.each(CLIENTS)(
  '50 started at once by %s, all run, all are removed at once',
  async (client) => {
    const flags = ['-d', '-p', '80', 'busybox', 'sleep', '1000'];
    const ids = await Promise.all(
      Array.from({ length: 50 }, () => daemon.ok(client, ['run', ...flags], { timeout: 120_000 })),
    );
    expect(new Set(ids).size).toBe(50);
    const rows = (await daemon.ok(client, ['ps', '--format', '{{.State}} {{.Ports}}'])).split('\n');
    expect(rows.length).toBe(50);
    expect(rows.every((row) => /^running .*:\d+->80\/tcp/.test(row))).toBe(true);
    const formats = ids.map((id) =>
      daemon.ok(client, ['inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', id]),
    );
    expect(new Set(await Promise.all(formats)).size).toBe(50);
    await Promise.all(ids.map((id) => daemon.ok(client, ['rm', '-f', id], { timeout: 120_000 })));
    await expectGone();
  },
  300_000,
);

test('300 running at once, each with at most one mount in the host table; all answer; then the machine is as before', async () => {
  const before = mounts();
  let left = 300;
  const ids: string[] = [];
  const worker = async () => {
    while (left-- > 0)
      ids.push(await daemon.ok('tare', ['run', '-d', 'busybox', 'sleep', '100000'], { timeout: 120_000 }));
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  expect((await daemon.ok('tare', ['ps', '-q'])).split('\n').length).toBe(300);
  expect(mounts() - before).toBeLessThanOrEqual(300);
  for (const id of [ids[0]!, ids[150]!, ids[299]!])
    expect(await daemon.ok('tare', ['exec', id, 'echo', 'here'])).toBe('here');
  // The daemon finds all of them again.
  await daemon.kill9();
  await daemon.start();
  expect((await daemon.ok('tare', ['ps', '-q'])).split('\n').length).toBe(300);
  expect(await daemon.ok('tare', ['run', '--rm', 'busybox', 'echo', 'one more'])).toBe('one more');
  await daemon.ok('tare', ['rm', '-f', ...ids], { timeout: 300_000 });
  await expectGone();
  expect(mounts()).toBeLessThanOrEqual(before);
}, 600_000);
