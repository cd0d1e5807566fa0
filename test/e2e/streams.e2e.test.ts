/** Output under pressure: clients that do not read, logs that grow. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const LINES = 400_000;
const talk = `yes 'a line that is long enough to fill pipes and queues' | head -n ${LINES}; echo the end`;

describe.each(CLIENTS)('%s', (client) => {
  test('a stopped client does not stall the container', async () => {
    const id = await daemon.ok(client, ['create', 'busybox', 'sh', '-c', `sleep 0.5; ${talk}; exit 4`]);
    const reader = daemon.open(client, ['start', '-a', id]);
    await Bun.sleep(300);
    reader.signal('SIGSTOP');
    try {
      expect(await daemon.ok(client, ['wait', id], { timeout: 60_000 })).toBe('4');
      expect(await daemon.ok(client, ['logs', '--tail', '1', id])).toBe('the end');
    } finally {
      reader.signal('SIGKILL');
      await reader.exited();
    }
    await daemon.ok(client, ['rm', id]);
  });

  test('a slow reader of logs -f gets all of it', async () => {
    const id = await daemon.ok(client, ['run', '-d', 'busybox', 'sh', '-c', talk]);
    const reader = daemon.open(client, ['logs', '-f', id]);
    for (let i = 0; i < 3; i++) {
      reader.signal('SIGSTOP');
      await Bun.sleep(300);
      reader.signal('SIGCONT');
      await Bun.sleep(50);
    }
    expect(await reader.exited(120_000)).toBe(0);
    expect(reader.output().split('\n').length).toBe(LINES + 2);
    await daemon.ok(client, ['rm', id]);
  });
});

test('logs are rotated: five files of about 20 MB, and what is kept is whole', async () => {
  const many = 3_000_000;
  const script = `yes 'a line that is long enough to fill pipes and queues' | head -n ${many}; echo the end`;
  const id = await daemon.ok('tare', ['run', '-d', 'busybox', 'sh', '-c', script]);
  expect(await daemon.ok('tare', ['wait', id], { timeout: 240_000 })).toBe('0');
  const folder = dirname(await daemon.ok('tare', ['inspect', '-f', '{{.LogPath}}', id]));
  const files = readdirSync(folder).filter((name) => name.includes('log'));
  const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  expect(files.length).toBeGreaterThan(1);
  // At half a gigabyte a second, as here, a file can be at twice its size before the daemon has looked again.
  expect(bytes).toBeLessThan(5 * 45e6);
  expect(files.length).toBeLessThanOrEqual(5);
  expect(await daemon.ok('tare', ['logs', '--tail', '1', id])).toBe('the end');
  const { stdout } = await daemon.client('tare', ['logs', id], { timeout: 120_000 });
  const lines = stdout.trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(500_000);
  expect(new Set(lines.slice(1, -1)).size).toBe(1);
  await daemon.ok('tare', ['rm', id]);
}, 300_000);
