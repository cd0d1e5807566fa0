/** A log that no memory could hold: a line of a gigabyte, and readers that don't read. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { receiveStreams } from '../support/log-receivers.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args, { timeout: 240_000 });
const GIGABYTE = 2 ** 30;

/** Resident memory now and at its highest, in MB. */
function memory(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { now: of('VmRSS'), peak: of('VmHWM') };
}

/** The pid of the container's conmon. */
function monitorOf(id: string): number | undefined {
  const isMonitor = (pid: string): boolean => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return line.includes('conmon') && line.includes(id);
    } catch {
      return false;
    }
  };
  const found = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isMonitor(name));
  return found === undefined ? undefined : Number(found);
}

test('a line of 1 GB without a newline, a reader that sleeps, a destination that reads nothing', async () => {
  await using deaf = await receiveStreams({ deaf: true });
  const shipped = ['--log-driver', 'syslog', '--log-opt', `syslog-address=tcp://127.0.0.1:${deaf.port}`];
  // dd: nothing to translate, zeros are as good as text.
  const write = `dd if=/dev/zero bs=1M count=1024 2>/dev/null; sleep 1`;
  const options = ['--net', 'none', ...shipped, '--log-opt', 'cache-max-size=3g'];
  const id = await out('create', ...options, 'busybox', 'sh', '-c', write);
  const before = memory(daemon.pid).now;
  const slow = daemon.open('tare', ['logs', '-f', id]);
  slow.signal('SIGSTOP');
  await out('start', id);
  // A listing of /proc can miss a process while others come and go: asked until it is found.
  let monitor: number | undefined;
  let monitorPeak = 0;
  await until(
    'it has written all',
    async () => {
      monitor ??= monitorOf(id);
      if (monitor !== undefined) monitorPeak = Math.max(monitorPeak, peakOf(monitor));
      return (await out('inspect', '-f', '{{.State.Status}}', id)) === 'exited';
    },
    240_000,
  );
  slow.signal('SIGKILL');
  await slow.exited();
  expect(monitorPeak).toBeGreaterThan(0);
  expect(monitorPeak).toBeLessThan(30);
  expect(await countOf(id, 'sleep 2; wc -c')).toBe(GIGABYTE);
  const { peak } = memory(daemon.pid);
  // A quarter of the line would not pass.
  expect(peak - before).toBeLessThan(200);
  expect(await countOf(id, 'head -c 1000 | wc -c', '--tail', '1')).toBe(1000);
  expect(memory(daemon.pid).peak - before).toBeLessThan(200);
}, 400_000);

/** Bytes that `logs` gives to a shell's command. */
async function countOf(id: string, command: string, ...flags: string[]): Promise<number> {
  const logs = daemon.argvOf('tare', ['logs', ...flags, id]).join(' ');
  const child = Bun.spawn(['sh', '-c', `${logs} | { ${command}; }`], {
    env: { ...process.env, ...daemon.env() },
    stdout: 'pipe',
  });
  return Number((await new Response(child.stdout).text()).trim());
}

function peakOf(pid: number): number {
  try {
    return memory(pid).peak;
  } catch {
    return 0;
  }
}
