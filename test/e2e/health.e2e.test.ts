/** Health checks: what they find, how it is told, and that they go on after a restart of the daemon. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

interface Health {
  Status: string;
  FailingStreak: number;
  Log: Array<{ Start: string; End: string; ExitCode: number; Output: string }>;
}

const out = (...args: string[]) => daemon.ok('docker', args);
const healthOf = async (id: string): Promise<Health> =>
  JSON.parse(await out('inspect', '-f', '{{json .State.Health}}', id));
const becomes = (id: string, status: string) =>
  until(`${id} is ${status}`, async () => (await healthOf(id)).Status === status, 60_000);

test.each(CLIENTS)(
  '%s: starting, healthy, unhealthy; shown by inspect, ps, its filter and events',
  async (client) => {
    const name = `watched-${client}`;
    const events = daemon.open(client, ['events', '--filter', `container=${name}`]);
    await daemon.ok(client, [
      ...['run', '-d', '--name', name, '--health-cmd', 'echo said; echo too >&2; test -f /up'],
      ...[
        '--health-interval',
        '500ms',
        '--health-timeout',
        '20s',
        '--health-retries',
        '2',
        '--health-start-period',
        '1h',
      ],
      ...['--health-start-interval', '500ms', 'busybox', 'sleep', '600'],
    ]);
    const listed = (...filters: string[]) =>
      daemon.ok(client, ['ps', '--format', '{{.Names}} {{.Status}}', ...filters, '--filter', `name=${name}`]);
    expect(await listed('--filter', 'health=starting')).toMatch(/Up .* \(health: starting\)$/);
    await until('a check has failed', async () => (await healthOf(name)).Log.length > 0, 60_000);
    expect(await healthOf(name)).toMatchObject({ Status: 'starting', FailingStreak: 0 });
    await daemon.ok(client, ['exec', name, 'touch', '/up']);
    await becomes(name, 'healthy');
    expect(await listed('--filter', 'health=healthy')).toMatch(/ \(healthy\)$/);
    expect(await listed('--filter', 'health=unhealthy')).toBe('');
    await daemon.ok(client, ['exec', name, 'rm', '/up']);
    await becomes(name, 'unhealthy');
    expect(await listed('--filter', 'health=unhealthy')).toMatch(/ \(unhealthy\)$/);
    await until('five results', async () => (await healthOf(name)).Log.length === 5, 60_000);
    const { Log, FailingStreak } = await healthOf(name);
    expect(FailingStreak).toBeGreaterThanOrEqual(2);
    expect(Log.at(-1)).toMatchObject({ ExitCode: 1 });
    expect(Log.at(-1)?.Output.split('\n').sort()).toEqual(['', 'said', 'too']);
    await events.waitFor(/health_status: healthy[\s\S]*health_status: unhealthy/);
    const told = events.output();
    expect(told).toMatch(/exec_create: \/bin\/sh -c echo said[\s\S]*exec_start: \/bin\/sh -c[\s\S]*exec_die/);
    events.signal('SIGKILL');
    await daemon.ok(client, ['rm', '-f', name]);
  },
  120_000,
);

test('a check that hangs is killed with what it started, and says so', async () => {
  const id = await out(
    ...['run', '-d', '--health-cmd', 'echo begun; sleep 1000 | sleep 1000'],
    ...[
      '--health-interval',
      '200ms',
      '--health-timeout',
      '1s',
      '--health-retries',
      '1',
      'busybox',
      'sleep',
      '601',
    ],
  );
  await becomes(id, 'unhealthy');
  const { Log } = await healthOf(id);
  expect(Log[0]).toMatchObject({ ExitCode: -1, Output: 'Health check exceeded timeout (1s): begun\n' });
  await until('five results', async () => (await healthOf(id)).Log.length === 5, 60_000);
  // The container's own process and at most those of the check under way.
  expect((await out('top', id, '-eo', 'pid,args')).split('\n').length).toBeLessThanOrEqual(5);
  await out('rm', '-f', id);
}, 120_000);

test('output is kept up to 4,096 bytes', async () => {
  const id = await out(
    ...[
      'run',
      '-d',
      '--health-cmd',
      'yes | head -c 100000',
      '--health-interval',
      '300ms',
      'busybox',
      'sleep',
      '602',
    ],
  );
  await becomes(id, 'healthy');
  expect((await healthOf(id)).Log[0]?.Output).toBe(`${'y\n'.repeat(2048)}...`);
  await out('rm', '-f', id);
}, 120_000);

test('the check of the image, and without it', async () => {
  const dockerfileless = await out('create', 'busybox');
  const change = 'HEALTHCHECK --interval=300ms --retries=1 CMD ["test", "-d", "/proc/self"]';
  await out('commit', '--change', change, dockerfileless, 'checked');
  await out('rm', dockerfileless);
  const id = await out('run', '-d', 'checked', 'sleep', '603');
  await becomes(id, 'healthy');
  const off = await out('run', '-d', '--no-healthcheck', 'checked', 'sleep', '604');
  expect(await out('inspect', '-f', '{{json .Config.Healthcheck.Test}}', off)).toBe('["NONE"]');
  expect(await out('ps', '-q', '--no-trunc', '--filter', 'health=none')).toBe(off);
  await out('stop', '-t', '0', id);
  expect((await healthOf(id)).Status).toBe('unhealthy');
  await out('rm', '-f', id, off);
  await out('rmi', 'checked');
}, 120_000);

test('after kill -9 of the daemon the checks go on from where they were', async () => {
  const id = await out(
    ...['run', '-d', '--health-cmd', 'test ! -f /down || sleep 1000', '--health-interval', '300ms'],
    ...['--health-timeout', '60s', '--health-retries', '1', 'busybox', 'sleep', '605'],
  );
  await becomes(id, 'healthy');
  const before = (await healthOf(id)).Log[0]?.Start ?? '';
  await out('exec', id, 'touch', '/down');
  await until(
    'a check hangs',
    async () => (await out('top', id, '-eo', 'pid,args')).includes('sleep 1000'),
    60_000,
  );
  await daemon.kill9();
  await daemon.start();
  const after = await healthOf(id);
  expect(after.Status).toBe('healthy');
  expect(Date.parse(after.Log[0]?.Start ?? '')).toBeGreaterThanOrEqual(Date.parse(before));
  // The hanging check of the last daemon is nobody's: it ended with it.
  await until('one check at a time', async () => {
    const running = (await out('top', id, '-eo', 'pid,args')).match(/\d sleep 1000/g) ?? [];
    return running.length <= 1;
  });
  await out('exec', id, 'rm', '/down');
  await out('rm', '-f', id);
}, 120_000);
