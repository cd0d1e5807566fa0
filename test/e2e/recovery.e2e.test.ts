/** The daemon goes away in every manner; the containers don't. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeEach(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterEach(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const inspect = (id: string, format: string) => out('inspect', '-f', format, id);
const COUNTER = 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done';

test('kill -9: the container goes on, is found again, and its log misses nothing', async () => {
  const id = await out('run', '-d', '--name', 'counter', 'busybox', 'sh', '-c', COUNTER);
  const pid = await inspect(id, '{{.State.Pid}}');
  await until('it counts', async () => (await out('logs', id)).includes('line 5'));
  await daemon.kill9();
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  await Bun.sleep(1000);
  await daemon.start();
  expect(await inspect(id, '{{.State.Status}} {{.State.Pid}}')).toBe(`running ${pid}`);
  expect(await out('exec', id, 'echo', 'in')).toBe('in');
  const seen = (await out('logs', id)).split('\n');
  expect(seen.length).toBeGreaterThan(15);
  expect(seen).toEqual(seen.map((_, i) => `line ${i + 1}`));
  const follower = daemon.open('tare', ['logs', '-f', '--tail', '1', id]);
  await follower.waitFor(/line \d+\nline \d+\n/);
  const waiting = daemon.open('tare', ['wait', id]);
  await Bun.sleep(300);
  await out('stop', '-t', '0', id);
  expect(await follower.exited()).toBe(0);
  await waiting.exited();
  expect(waiting.output().trim()).toBe('137');
});

test('an exit while the daemon is away is noticed, with its true code and time', async () => {
  const id = await out('run', '-d', 'busybox', 'sh', '-c', 'echo first; sleep 1; echo last; exit 23');
  const removed = await out('run', '-d', '--rm', 'busybox', 'sleep', '1');
  await daemon.kill9();
  const began = Date.now();
  await Bun.sleep(2500);
  await daemon.start();
  expect(await inspect(id, '{{.State.Status}} {{.State.ExitCode}}')).toBe('exited 23');
  expect(await out('logs', id)).toBe('first\nlast');
  expect(await out('wait', id)).toBe('23');
  const finished = Date.parse(await inspect(id, '{{.State.FinishedAt}}'));
  expect(finished).toBeLessThan(began + 2300);
  await until('the one with --rm is gone', async () => (await daemon.tare('inspect', removed)).code === 1);
});

test('SIGTERM: a clean end that leaves containers running', async () => {
  const id = await out('run', '-dit', 'busybox', 'sh');
  const pid = await inspect(id, '{{.State.Pid}}');
  await daemon.terminate();
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  expect(existsSync(daemon.socket)).toBe(false);
  await daemon.start();
  const terminal = daemon.terminal('tare', ['attach', id]);
  await Bun.sleep(300);
  terminal.write('echo still-$((40+2))\r');
  await terminal.waitFor('still-42');
  terminal.write('exit 2\r');
  expect(await terminal.exited()).toBe(2);
});

test('published ports and addresses outlive the daemon', async () => {
  const id = await out(
    'run',
    '-d',
    '-p',
    '8090:80',
    'busybox',
    'sh',
    '-c',
    'echo hello > /tmp/index.html; exec httpd -f -h /tmp',
  );
  const get = async () =>
    (await daemon.inNetwork(['timeout', '3', 'busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8090/']))
      .stdout;
  await until('it answers', async () => (await get()) === 'hello\n');
  await daemon.kill9();
  expect(await get()).toBe('hello\n');
  await daemon.start();
  expect(await get()).toBe('hello\n');
  const second = await daemon.tare('run', '-d', '--name', 'second', '-p', '8090:80', 'busybox', 'sleep', '1');
  expect(second.code).toBe(125);
  const address = await inspect(id, '{{.NetworkSettings.Networks.bridge.IPAddress}}');
  const other = await out('run', '-d', 'busybox', 'sleep', '1000');
  expect(await inspect(other, '{{.NetworkSettings.Networks.bridge.IPAddress}}')).not.toBe(address);
});

test('killed in the middle of many starts: what is left is whole, and can be removed', async () => {
  const clients = Array.from({ length: 12 }, (_, i) =>
    daemon.tare('run', '-d', '--name', `many${i}`, 'busybox', 'sleep', '1000'),
  );
  await Bun.sleep(150);
  await daemon.kill9();
  await Promise.all(clients);
  await daemon.start();
  for (const line of (await out('ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.State}}'))
    .split('\n')
    .filter(Boolean)) {
    const [id = '', state] = line.split(' ');
    expect(['created', 'running', 'exited']).toContain(state!);
    if (state === 'running') expect(await out('exec', id, 'echo', 'ok')).toBe('ok');
    else await out('start', id);
  }
  // stop() of the harness then asserts that nothing stays.
});

test('a restart of the daemon starts what its restart policy says', async () => {
  const id = await out('run', '-d', '--restart', 'always', 'busybox', 'sh', '-c', 'sleep 1; exit 1');
  await daemon.kill9();
  await Bun.sleep(1500);
  await daemon.start();
  await until(
    'it was started again',
    async () =>
      Number(await inspect(id, '{{.RestartCount}}')) >= 1 ||
      (await inspect(id, '{{.State.Status}}')) === 'running',
  );
});

test('a second daemon on the same data root is refused and harms nothing', async () => {
  const id = await out('run', '-d', 'busybox', 'sleep', '1000');
  const argv = daemon.argv.map((part) =>
    part.replace('tare.sock', 'second.sock').replace(`${daemon.root}/pid`, `${daemon.root}/pid2`),
  );
  const second = await run(argv, { timeout: 20_000 });
  expect(second.code).not.toBe(0);
  expect(second.stderr + second.stdout).toContain(daemon.dataRoot);
  expect(await out('exec', id, 'echo', 'well')).toBe('well');
});

test('SIGHUP reads the configuration file again', async () => {
  expect(await out('info', '--format', '{{.Debug}}')).toBeOneOf(['true', 'false']);
  await Bun.write(`${daemon.root}/daemon.json`, '{"labels":["reloaded=yes"]}');
  process.kill(daemon.pid, 'SIGHUP');
  await until(
    'the label is there',
    async () => (await out('info', '--format', '{{json .Labels}}')).includes('reloaded=yes'),
    10_000,
  );
  await Bun.write(`${daemon.root}/daemon.json`, '{ not json');
  process.kill(daemon.pid, 'SIGHUP');
  await Bun.sleep(300);
  expect(await out('info', '--format', '{{json .Labels}}')).toContain('reloaded=yes');
});
