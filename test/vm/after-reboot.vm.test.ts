/** The machine was restarted with containers running: which of them are back (before-reboot.vm.test.ts made them). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { must, run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  await daemon.client('tare', ['rm', '-f', '-v', ...(await daemon.ids())], { timeout: 120_000 });
  await daemon.stop();
}, 120_000);
const out = (...args: string[]) => daemon.ok('tare', args);
const inspect = (id: string, format: string) => out('inspect', '-f', format, id);

test('the service started with the machine, by itself', async () => {
  const uptime = Number((await must(['cat', '/proc/uptime'])).split(' ')[0]);
  const started = await must(['systemctl', 'show', '-P', 'ActiveEnterTimestampMonotonic', 'tare.service']);
  expect(Number(started) / 1e6).toBeLessThan(uptime);
  expect((await run(['systemctl', 'is-active', 'tare.service'])).stdout.trim()).toBe('active');
});

describe('restart policies', () => {
  test.each(['always', 'unless-stopped'])(
    '%s: runs again, with its volume',
    async (name) => {
      await until(`${name} runs`, async () => (await inspect(name, '{{.State.Running}}')) === 'true', 60_000);
      expect(await out('exec', name, 'cat', '/v/starts')).toBe('start\nstart');
    },
    90_000,
  );

  test('on-failure: a machine that goes down is a failure', async () => {
    await until(
      'it runs',
      async () => (await inspect('on-failure', '{{.State.Running}}')) === 'true',
      60_000,
    );
  }, 90_000);

  test('no, and one that was stopped: stay as they are', async () => {
    expect(await inspect('no', '{{.State.Status}}')).toBe('exited');
    expect(await inspect('stopped', '{{.State.Status}} {{.State.ExitCode}}')).toBe('exited 137');
    await out('start', 'no');
    expect(await out('exec', 'no', 'cat', '/v/starts')).toBe('start\nstart');
  }, 60_000);
});

test('a published port answers again', async () => {
  await until('web runs', async () => (await inspect('web', '{{.State.Running}}')) === 'true', 60_000);
  expect(await must(['busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/passwd'])).toContain(
    'root:x:0:0',
  );
}, 90_000);
