/** Restart policies: the back-off, and what they say after a restart of the daemon and of the machine. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeEach(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterEach(() => daemon?.stop(), 120_000);

interface State {
  Status: string;
  ExitCode: number;
  ExitCodeKnown?: boolean;
  StartedAt: string;
  Death?: { Reason: string };
}

const out = (...args: string[]) => daemon.ok('docker', args);
async function stateOf(name: string): Promise<State & { RestartCount: number }> {
  const answer = await daemon.request('GET', `/containers/${name}/json`);
  const { State, RestartCount } = (await answer.json()) as { State: State; RestartCount: number };
  return { ...State, RestartCount };
}

test('the waits between restarts double; on-failure:3 gives up; a success ends on-failure', async () => {
  const events = daemon.open('docker', ['events', '--filter', 'container=loop', '--format', '{{json .}}']);
  await Bun.sleep(500);
  await out('run', '-d', '--name', 'loop', '--restart', 'on-failure:3', 'busybox', 'sh', '-c', 'exit 9');
  await until('it gave up', async () => (await stateOf('loop')).Status === 'exited', 60_000);
  expect(await stateOf('loop')).toMatchObject({ RestartCount: 3, ExitCode: 9 });
  await events.waitFor(/(?:"Action":"die"[\s\S]*){4}/);
  const told = events
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { Action: string; timeNano: number });
  events.signal('SIGKILL');
  const starts = told.filter(({ Action }) => Action === 'start').map(({ timeNano }) => timeNano / 1e6);
  const ends = told.filter(({ Action }) => Action === 'die').map(({ timeNano }) => timeNano / 1e6);
  expect(starts.length).toBe(4);
  const waits = [1, 2, 3].map((index) => starts[index]! - ends[index - 1]!);
  // Never shorter than Docker's; how much longer says only how busy the machine is.
  for (const [index, least] of [100, 200, 400].entries()) expect(waits[index]).toBeGreaterThan(least - 15);
  await out('run', '-d', '--name', 'fine', '--restart', 'on-failure', 'busybox', 'true');
  await until('it ended', async () => (await stateOf('fine')).Status === 'exited');
  await Bun.sleep(400);
  expect(await stateOf('fine')).toMatchObject({ Status: 'exited', RestartCount: 0 });
  await out('rm', 'loop', 'fine');
}, 120_000);

test('always and unless-stopped over a restart of the daemon; a wait goes on; docker stop holds', async () => {
  const policies = ['always', 'unless-stopped', 'on-failure', 'no'];
  for (const policy of policies) {
    await out('run', '-d', '--name', policy, '--restart', policy, 'busybox', 'sleep', '900');
    await out('stop', '-t', '0', policy);
  }
  await out('run', '-d', '--name', 'waiting', '--restart', 'on-failure', 'busybox', 'sh', '-c', 'exit 2');
  await until('it waits long', async () => (await stateOf('waiting')).RestartCount >= 4, 60_000);
  await until('it waits', async () => (await stateOf('waiting')).Status === 'restarting', 60_000);
  const count = (await stateOf('waiting')).RestartCount;
  await daemon.kill9();
  await daemon.start();
  await until('always runs', async () => (await stateOf('always')).Status === 'running', 60_000);
  for (const policy of policies.slice(1)) expect((await stateOf(policy)).Status).toBe('exited');
  await until('the wait went on', async () => (await stateOf('waiting')).RestartCount > count, 60_000);
  await out('stop', '-t', '0', 'waiting');
  await Bun.sleep(500);
  expect((await stateOf('waiting')).Status).toBe('exited');
  await out('update', '--restart', 'no', 'always');
  await out('rm', '-f', 'waiting', ...policies);
}, 120_000);

test('after a restart of the machine the policies hold, and ends that nobody saw are said not to be known', async () => {
  const policies = ['always', 'unless-stopped', 'on-failure', 'no'];
  for (const policy of policies) {
    await out('run', '-d', '--name', policy, '--restart', policy, 'busybox', 'sleep', '901');
  }
  await out('run', '-d', '--name', 'stopped', '--restart', 'unless-stopped', 'busybox', 'sleep', '902');
  await out('stop', '-t', '0', 'stopped');
  const pids = await Promise.all(policies.map((name) => out('inspect', '-f', '{{.State.Pid}}', name)));
  const before = await stateOf('always');
  await daemon.kill9();
  await crashMachine(pids.map(Number));
  await daemon.start();
  for (const policy of ['always', 'unless-stopped', 'on-failure']) {
    await until(
      `${policy} runs again`,
      async () => {
        const { Status, Death } = await stateOf(policy);
        return Status === 'running' && Death?.Reason === 'shutdown';
      },
      60_000,
    );
  }
  expect((await stateOf('always')).StartedAt).not.toBe(before.StartedAt);
  expect(await stateOf('no')).toMatchObject({
    Status: 'exited',
    ExitCode: 255,
    ExitCodeKnown: false,
    Death: { Reason: 'shutdown' },
  });
  expect((await stateOf('stopped')).Status).toBe('exited');
  expect(await out('exec', 'always', 'echo', 'well')).toBe('well');
  await out('rm', '-f', 'stopped', ...policies);
}, 120_000);

/** What a reboot does: no process, no cgroup, nothing below the exec root, and another boot id than the rows have. */
async function crashMachine(pids: number[]): Promise<void> {
  for (const pid of pids) {
    const monitor = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    process.kill(monitor, 'SIGKILL');
    process.kill(pid, 'SIGKILL');
  }
  await Bun.sleep(300);
  const mounts = (await run(['findmnt', '-rno', 'TARGET'])).stdout.split('\n');
  for (const target of mounts.filter((at) => at.startsWith(`${daemon.execRoot}/`)).reverse()) {
    await run(['umount', '-l', target]);
  }
  for (const name of readdirSync(daemon.execRoot)) {
    rmSync(join(daemon.execRoot, name), { recursive: true, force: true });
  }
  const database = new Database(join(daemon.dataRoot, 'tare.db'));
  const rows = database.query<{ id: string; document: string }, []>('SELECT id, document FROM containers');
  const change = database.prepare<void, [string, string]>('UPDATE containers SET document = ? WHERE id = ?');
  for (const { id, document } of rows.all()) {
    const container = JSON.parse(document) as { state: { boot?: string } };
    expect(container.state.boot).toBeString();
    container.state.boot = 'an earlier one';
    await run(['sh', '-c', `rmdir /sys/fs/cgroup/${id} /sys/fs/cgroup/*/tare/${id} 2>/dev/null`]);
    change.run(JSON.stringify(container), id);
  }
  database.close();
}
