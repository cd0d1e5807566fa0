/** Why a container died: told by inspect, by ps and by the event, and kept over a restart of the daemon. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

interface Death {
  Reason: string;
  Text: string;
  Signal: string;
  Client?: { Pid: number; Uid: number; Program: string };
  OOM?: { Limit: number; Process: string; Pid: number };
  Health?: { ExitCode: number; Output: string };
  Log: string[];
}

interface State {
  Status: string;
  ExitCode: number;
  ExitCodeKnown?: boolean;
  Death?: Death;
}

const HANDLER = 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done';
const out = (...args: string[]) => daemon.ok('docker', args);
const run = (...args: string[]) => out('run', '-d', ...args);
const inspect = (id: string, format: string) => out('inspect', '-f', format, id);
// The docker CLI knows nothing of these fields and drops them from `{{json .State}}`.
async function stateOf(id: string): Promise<State> {
  const answer = await daemon.request('GET', `/containers/${id}/json`);
  return ((await answer.json()) as { State: State }).State;
}
async function deathOf(id: string): Promise<Death & { ExitCode: number }> {
  await until(`${id} has ended`, async () => (await stateOf(id)).Status === 'exited', 60_000);
  const { Death, ExitCode } = await stateOf(id);
  return { ...Death!, ExitCode };
}
const monitorOf = (pid: string) =>
  Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

test('a client stopped, killed or restarted it; or it outlived the grace', async () => {
  const id = await run('--name', 'asked', 'busybox', 'sh', '-c', HANDLER);
  await until('its handler is there', async () => (await out('logs', id)) === 'ready');
  const client = daemon.open('docker', ['stop', id]);
  await client.exited();
  const expected = { Pid: client.pid, Uid: process.getuid?.() ?? 0, Program: 'docker' };
  expect(await deathOf(id)).toMatchObject({
    Reason: 'client',
    Client: expected,
    Signal: '',
    ExitCode: 3,
    Log: ['ready'],
    Text: `stopped by docker (pid ${client.pid}, uid ${expected.Uid}) with SIGTERM`,
  });
  await out('start', id);
  await out('restart', '-t', '0', id);
  expect((await stateOf(id)).Death).toMatchObject({ Reason: 'stop-timeout', Signal: 'SIGKILL' });
  await daemon.ok('tare', ['kill', id]);
  expect(await deathOf(id)).toMatchObject({
    Reason: 'client',
    Client: { Program: 'tare' },
    Signal: 'SIGKILL',
  });
  await out('rm', id);
}, 120_000);

test('it ended by itself, or somebody outside killed it', async () => {
  const itself = await run('busybox', 'sh', '-c', 'for i in $(seq 20); do echo line $i; done; exit 4');
  const death = await deathOf(itself);
  expect(death).toMatchObject({ Reason: 'exit', Text: 'exited by itself with code 4', ExitCode: 4 });
  expect(death.Log).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i + 11}`));
  const outside = await run('busybox', 'sleep', '700');
  process.kill(Number(await inspect(outside, '{{.State.Pid}}')), 'SIGKILL');
  expect(await deathOf(outside)).toMatchObject({ Reason: 'outside', Signal: 'SIGKILL', ExitCode: 137 });
  const listed = await daemon.ok('tare', ['ps', '-a', '--format', '{{.ID}} {{.Reason}}', '--no-trunc']);
  expect(listed).toContain(`${itself} exited by itself with code 4`);
  expect(listed).toMatch(new RegExp(`${outside} ended by SIGKILL from outside Tare`));
  expect(await daemon.ok('tare', ['ps', '-a', '--why'])).toMatch(/STATUS +REASON\n/);
  await daemon.kill9();
  await daemon.start();
  expect(await deathOf(outside)).toMatchObject({ Reason: 'outside' });
  await out('rm', itself, outside);
}, 120_000);

test('the kernel killed it for lack of memory', async () => {
  const events = daemon.open('docker', [
    'events',
    '--filter',
    'event=die',
    '--format',
    '{{json .Actor.Attributes}}',
  ]);
  await Bun.sleep(500);
  const id = await run('-m', '20m', 'busybox', 'sh', '-c', 'x=a; while :; do x=$x$x; done');
  const death = await deathOf(id);
  expect(death).toMatchObject({
    Reason: 'oom',
    ExitCode: 137,
    OOM: { Limit: 20 * 1024 * 1024, Process: 'sh' },
  });
  expect(death.Text).toMatch(
    /^out of memory: its limit of 20MiB was reached and the kernel killed sh \(pid \d+\)/,
  );
  await events.waitFor(/"reason":"oom"/);
  expect(events.output()).toMatch(/"exitCode":"137"/);
  events.signal('SIGKILL');
  await out('rm', id);
}, 120_000);

test('it was unhealthy, and started again because of that', async () => {
  await expect(daemon.ok('tare', ['create', '--restart-unhealthy', 'busybox'])).rejects.toThrow(
    '--restart-unhealthy needs a health check',
  );
  const id = await daemon.ok('tare', [
    ...[
      'run',
      '-d',
      '--restart-unhealthy',
      '--health-cmd',
      'echo no answer; exit 1',
      '--health-interval',
      '300ms',
    ],
    ...['--health-retries', '1', 'busybox', 'sh', '-c', HANDLER],
  ]);
  await until('it was started again', async () => Number(await inspect(id, '{{.RestartCount}}')) > 0, 60_000);
  expect((await stateOf(id)).Death).toMatchObject({
    Reason: 'health',
    Health: { ExitCode: 1, Output: 'no answer\n' },
    Text: 'unhealthy: no answer; ended with SIGTERM to be started again',
  });
  await out('stop', id);
  expect((await stateOf(id)).Status).toBe('exited');
  await out('rm', id);
}, 120_000);

test('conmon was killed: the container is ended, with its true exit code', async () => {
  const id = await run('busybox', 'sh', '-c', HANDLER);
  await until('its handler is there', async () => (await out('logs', id)) === 'ready');
  process.kill(monitorOf(await inspect(id, '{{.State.Pid}}')), 'SIGKILL');
  expect(await deathOf(id)).toMatchObject({
    Reason: 'monitor',
    ExitCode: 3,
    Text: 'conmon was killed, so it was ended with SIGTERM',
  });
  await out('rm', id);
}, 120_000);

test('daemon and conmon were killed together: the code is 255 and said not to be known', async () => {
  const alive = await run('busybox', 'sh', '-c', HANDLER);
  const ended = await run('busybox', 'sleep', '701');
  const again = await run('--restart', 'on-failure', 'busybox', 'sh', '-c', HANDLER);
  const pids = await Promise.all([alive, ended, again].map((id) => inspect(id, '{{.State.Pid}}')));
  const monitors = pids.map(monitorOf);
  await daemon.kill9();
  for (const monitor of monitors) process.kill(monitor, 'SIGKILL');
  process.kill(Number(pids[1]), 'SIGKILL');
  await daemon.start();
  expect(await deathOf(ended)).toMatchObject({ Reason: 'unknown', ExitCode: 255 });
  expect((await stateOf(ended)).ExitCodeKnown).toBe(false);
  // Nobody holds the stdio of this one any more: it is ended, but it is no child of the new daemon.
  expect(await deathOf(alive)).toMatchObject({ Reason: 'monitor', ExitCode: 255 });
  expect((await stateOf(alive)).ExitCodeKnown).toBe(false);
  await until('the policy started it again', async () => {
    const { Status, Death } = await stateOf(again);
    return Status === 'running' && Death?.Reason === 'monitor';
  });
  await out('rm', '-f', alive, ended, again);
}, 120_000);
