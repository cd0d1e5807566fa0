/** Limits by what they do, not by what the files say: the cases that people depend on. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cgroupFile, cgroupOf, cpuTime, UNIFIED } from '../support/cgroups.ts';
import { type Running, until } from '../support/command.ts';
import { REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';

const MB = 1024 * 1024;
/** Keeps a processor busy. */
const LOOP = 'while :; do :; done';
/** First in line for processors on a machine that has other things to do. */
const FIRST = ['--cgroup-parent', '/', '--cpu-shares', '262144'];

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  // Parents that were named stay, as with Docker.
  for (const parent of ['tare-e2e-shares', 'tare-e2e-parent']) {
    const controllers = UNIFIED ? ['.'] : readdirSync('/sys/fs/cgroup');
    for (const controller of controllers) {
      const directory = join('/sys/fs/cgroup', controller, parent);
      if (existsSync(directory)) rmdirSync(directory);
    }
  }
}, 120_000);

const tare = (...args: string[]) => daemon.ok('tare', args);
const detached = (flags: readonly string[], script: string) =>
  tare('run', '-d', ...flags, 'busybox', 'sh', '-c', script);

interface State {
  readonly Pid: number;
  readonly Status: string;
  readonly OOMKilled: boolean;
  readonly ExitCode: number;
}
const state = async (id: string): Promise<State> =>
  ((await (await daemon.request('GET', `/containers/${id}/json`)).json()) as { State: State }).State;
const pidOf = async (id: string) => (await state(id)).Pid;

/** Processors in use on average over some seconds: used time against passed time. */
async function processorsUsed(id: string, seconds: number): Promise<number> {
  const pid = await pidOf(id);
  await Bun.sleep(300);
  const [used, begin] = [cpuTime(pid), performance.now()];
  await Bun.sleep(seconds * 1000);
  return (cpuTime(pid) - used) / 1e6 / (performance.now() - begin);
}

describe('processors', () => {
  test('--cpus=.25 of a busy loop is a quarter of one processor', async () => {
    const id = await detached(['--cpus=.25', ...FIRST], LOOP);
    expect(Math.abs((await processorsUsed(id, 5)) - 0.25)).toBeLessThan(0.03);
    await tare('rm', '-f', id);
  }, 60_000);

  test('--cpus=2 is two of them, and more than there are is refused', async () => {
    const count = availableParallelism();
    const refused = await daemon.tare('run', `--cpus=${count + 1}`, 'busybox', 'true');
    expect(refused.stderr).toMatch(
      new RegExp(`[Rr]ange of CPUs is from 0.01 to ${count}.00, as there are only`),
    );
    if (count < 2) return;
    const id = await detached(['--cpus=2', ...FIRST], `${LOOP} & ${LOOP} & ${LOOP}`);
    const used = await processorsUsed(id, 3);
    expect(used).toBeGreaterThan(1.5);
    expect(used).toBeLessThan(2.06);
    await tare('rm', '-f', id);
  }, 60_000);

  test('--cpu-shares: twice as much is twice the time on one processor', async () => {
    const flags = ['--cpuset-cpus=0', '--cgroup-parent', '/tare-e2e-shares'];
    const one = await detached(['--cpu-shares=512', ...flags], LOOP);
    const two = await detached(['--cpu-shares=1024', ...flags], LOOP);
    const [few, many] = await Promise.all([processorsUsed(one, 3), processorsUsed(two, 3)]);
    expect(many / few).toBeGreaterThan(1.6);
    expect(many / few).toBeLessThan(2.5);
    await tare('rm', '-f', one, two);
  }, 60_000);

  test('--cpuset-cpus is what a program sees; period and quota as asked', async () => {
    expect(await tare('run', '--rm', '--cpuset-cpus=0', 'busybox', 'nproc')).toBe('1');
    const id = await detached(['--cpu-period=50000', '--cpu-quota=10000', ...FIRST], LOOP);
    expect(Math.abs((await processorsUsed(id, 2)) - 0.2)).toBeLessThan(0.03);
    await tare('rm', '-f', id);
  }, 60_000);
});

describe('memory', () => {
  test('a process that allocates past its limit is killed, and that is reported', async () => {
    const begin = Math.floor(Date.now() / 1000);
    const id = await tare('run', '-d', '-m', '20m', '--memory-swap', '20m', 'busybox', 'tail', '/dev/zero');
    expect(await tare('wait', id)).toBe('137');
    expect(await state(id)).toMatchObject({ Status: 'exited', OOMKilled: true, ExitCode: 137 });
    const end = String(Math.ceil(Date.now() / 1000));
    const format = ['--format', '{{.Action}}'];
    const filter = ['--filter', `container=${id}`, '--since', String(begin), '--until', end];
    const actions = (await tare('events', ...filter, ...format)).split('\n');
    expect(actions.filter((action) => ['oom', 'die'].includes(action))).toEqual(['oom', 'die']);
    await tare('rm', id);
  }, 60_000);

  test('a container that goes on without the process that was killed: the event comes at once, each time', async () => {
    const script = 'while read -r line; do tail /dev/zero; echo "$?"; done';
    const follow = () => daemon.open('tare', ['events', '--filter', 'event=oom', '--filter', 'event=die']);
    const told = (events: Running) => events.output().match(/ oom /g)?.length ?? 0;
    const id = await tare('run', '-di', '-m', '20m', '--memory-swap', '20m', 'busybox', 'sh', '-c', script);
    let done = 0;
    const once = async (events: Running) => {
      const wanted = told(events) + 1;
      const attached = daemon.open('tare', ['attach', '--sig-proxy=false', id]);
      attached.write('again\n');
      await until('the event', () => told(events) === wanted, 30_000);
      expect(await state(id)).toMatchObject({ Status: 'running', OOMKilled: true });
      done++;
      await until('it goes on', async () => (await tare('logs', id)).split('\n').length === done, 30_000);
      attached.signal('SIGKILL');
      await attached.exited();
    };
    const events = follow();
    await Bun.sleep(200);
    await once(events);
    await once(events);
    events.signal('SIGKILL');
    await events.exited();
    await daemon.kill9();
    await daemon.start();
    const later = follow();
    await Bun.sleep(200);
    await once(later);
    await tare('kill', id);
    await later.waitFor(' die ');
    // What was told is not told again at the end.
    expect(told(later)).toBe(1);
    later.signal('SIGKILL');
    await later.exited();
    await tare('rm', '-f', id);
  }, 120_000);

  test.skipIf(UNIFIED)(
    '-m 512m --memory-swap=1g --oom-kill-disable: it waits, and update frees it',
    async () => {
      // Memory of a process can only be swapped, and nothing is: no swap, or 512 MB more of it were full as well. It is
      // filled by the process itself: a system call that gets no memory fails, and only a page fault waits.
      const flags = ['--memory=512m', '--memory-swap=1g', '--oom-kill-disable'];
      const id = await detached(
        flags,
        `awk 'BEGIN { s = sprintf("%1048576s", "x"); for (i = 0; i < 1100; i++) a[i] = s i; print "done" }'; sleep 1000`,
      );
      const pid = await pidOf(id);
      const waits = () => cgroupFile(pid, 'memory/memory.oom_control', '').includes('under_oom 1');
      await until('it waits for memory', waits, 60_000);
      expect(cgroupFile(pid, 'memory/memory.limit_in_bytes', '')).toBe(String(512 * MB));
      expect(cgroupFile(pid, 'memory/memory.memsw.limit_in_bytes', '')).toBe(String(1024 * MB));
      await Bun.sleep(500);
      expect(waits()).toBe(true);
      expect(await state(id)).toMatchObject({ Status: 'running', OOMKilled: false });
      expect(await tare('logs', id)).toBe('');
      await tare('update', '--memory=1300m', '--memory-swap=2g', id);
      await until('it goes on', async () => (await tare('logs', id)) === 'done', 60_000);
      await tare('rm', '-f', id);
    },
    180_000,
  );

  test('--memory-reservation and --memory-swappiness; what v2 lacks is a warning', async () => {
    const id = await daemon.client('tare', [
      ...['run', '-d', '-m', '64m', '--memory-reservation', '32m', '--memory-swappiness', '10'],
      ...['--oom-kill-disable', 'busybox', 'sleep', '1000'],
    ]);
    const container = id.stdout.trim();
    const pid = await pidOf(container);
    expect(cgroupFile(pid, 'memory/memory.soft_limit_in_bytes', 'memory.low')).toBe(String(32 * MB));
    if (UNIFIED) {
      expect(id.stderr).toContain('Your kernel does not support memory swappiness capabilities');
      expect(id.stderr).toContain('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    } else {
      expect(id.stderr).toBe('');
      expect(cgroupFile(pid, 'memory/memory.swappiness', '')).toBe('10');
      expect(cgroupFile(pid, 'memory/memory.oom_control', '')).toContain('oom_kill_disable 1');
    }
    await tare('rm', '-f', container);
  });

  test.skipIf(REFERENCE)(
    '--cgroup-conf: files of v2; a warning on v1; never those of the engine',
    async () => {
      const run = await daemon.tare(
        'run',
        '-d',
        '--cgroup-conf',
        'memory.high=48m',
        'busybox',
        'sleep',
        '1000',
      );
      const id = run.stdout.trim();
      if (UNIFIED) {
        expect(cgroupFile(await pidOf(id), '', 'memory.high')).toBe(String(48 * MB));
        await tare('update', '--cgroup-conf', 'memory.high=56M', id);
        expect(cgroupFile(await pidOf(id), '', 'memory.high')).toBe(String(56 * MB));
      } else {
        expect(run.stderr).toContain('Your kernel does not support cgroup v2 or it is not mounted.');
      }
      await tare('rm', '-f', id);
      const refused = await daemon.tare('create', '--cgroup-conf', 'cgroup.procs=1', 'busybox');
      expect(refused.stderr).toContain('invalid cgroup-conf "cgroup.procs"');
    },
  );
});

describe('processes', () => {
  test('a fork bomb stops at the limit, and the daemon stays responsive', async () => {
    const bomb = 'f() { f | f & }; f; while :; do sleep 1; done';
    const id = await detached(['--pids-limit=60', '--cpus=.5'], bomb);
    const pid = await pidOf(id);
    const refusals = () => Number(/max (\d+)/.exec(cgroupFile(pid, 'pids/pids.events', 'pids.events'))?.[1]);
    await until('forks are refused', () => refusals() > 20, 30_000);
    for (let round = 0; round < 5; round++) {
      expect(Number(cgroupFile(pid, 'pids/pids.current', 'pids.current'))).toBeLessThanOrEqual(60);
      expect(await tare('run', '--rm', 'busybox', 'echo', 'here')).toBe('here');
    }
    expect(Number(await tare('stats', '--no-stream', '--format', '{{.PIDs}}', id))).toBeLessThanOrEqual(60);
    await tare('rm', '-f', id);
  }, 60_000);

  test('--ulimit, --oom-score-adj: of the first process and of an exec', async () => {
    const flags = ['--ulimit', 'nofile=100:200', '--ulimit', 'core=0', '--oom-score-adj', '250'];
    const id = await detached(flags, 'sleep 1000');
    const script = 'ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj /proc/1/oom_score_adj';
    const output = await tare('exec', id, 'sh', '-c', script);
    // runc 1.1 raises the soft limit of open files in an exec.
    expect(REFERENCE ? output.replace(/^200/, '100') : output).toBe('100\n200\n0\n250\n250');
    await tare('rm', '-f', id);
    const refused = await daemon.tare('create', '--oom-score-adj', '1001', 'busybox');
    expect(refused.stderr).toContain('Invalid value 1001, range for oom score adj is [-1000, 1000]');
  });

  test('--shm-size is what fits', async () => {
    const script = 'df -k /dev/shm | tail -1; head -c 9m /dev/zero > /dev/shm/x || echo full';
    const output = await daemon.tare('run', '--rm', '--shm-size=8m', 'busybox', 'sh', '-c', script);
    expect(output.stdout).toMatch(/^shm +8192 [\s\S]*full\n$/);
  });
});

describe('places', () => {
  test('--cgroup-parent, --cgroupns', async () => {
    const read = ['busybox', 'cat', '/proc/self/cgroup'];
    const paths = async (...flags: string[]) =>
      (await tare('run', '--rm', ...flags, ...read))
        .split('\n')
        .filter((line) => UNIFIED || line.includes(':pids:'))
        .map((line) => line.replace(/^.*:/, ''));
    expect((await paths('--cgroupns=host', '--cgroup-parent=/tare-e2e-parent'))[0]).toMatch(
      /^\/tare-e2e-parent\/[0-9a-f]{64}$/,
    );
    expect(await paths('--cgroupns=private')).toEqual(['/']);
  });

  test('--device-cgroup-rule opens what is closed', async () => {
    const script = 'mknod /x c 1 2 && head -c 0 /x && echo open';
    const ask = (...flags: string[]) => daemon.tare('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
    expect((await ask()).stderr).toContain('Operation not permitted');
    const rule = await ask('--device-cgroup-rule', 'c 1:2 rwm');
    // /dev/mem is not readable everywhere, but the cgroup lets it be opened.
    expect(rule.stderr).not.toContain('/x: Operation not permitted');
  });
});

/** The disk below the data root, if it is one that can be throttled. */
function disk(): string | undefined {
  const { dev } = statSync(daemon.dataRoot);
  const number = `${(dev >> 8) & 0xfff}:${dev & 0xff}`;
  for (const name of readdirSync('/sys/class/block')) {
    if (readFileSync(join('/sys/class/block', name, 'dev'), 'utf8').trim() === number) return `/dev/${name}`;
  }
  return undefined;
}

test('--device-write-bps: 3 MB at 1 MB a second take their time', async () => {
  const device = disk();
  if (device === undefined) return;
  const script = 'dd if=/dev/zero of=/f bs=64k count=48 oflag=direct 2>&1';
  const begin = performance.now();
  await tare('run', '--rm', '--device-write-bps', `${device}:1mb`, 'busybox', 'sh', '-c', script);
  expect(performance.now() - begin).toBeGreaterThan(2000);
  const refused = await daemon.tare('create', '--device-read-bps', '/dev/nothing:1mb', 'busybox');
  expect(refused.code).toBe(REFERENCE ? 0 : 1);
}, 60_000);

test('throttles by number, weights of blocks, real-time: in the cgroup, or a warning', async () => {
  const device = disk();
  if (device === undefined) return;
  const { dev } = statSync(daemon.dataRoot);
  const number = `${(dev >> 8) & 0xfff}:${dev & 0xff}`;
  const throttles = ['--device-read-bps', `${device}:5mb`, '--device-read-iops', `${device}:900`];
  const writes = ['--device-write-iops', `${device}:800`, '--device-write-bps', `${device}:6mb`];
  const weights = ['--blkio-weight', '300', '--blkio-weight-device', `${device}:400`];
  const run = await daemon.tare('run', '-d', ...throttles, ...writes, ...weights, 'busybox', 'sleep', '1000');
  const id = run.stdout.trim();
  const pid = await pidOf(id);
  if (UNIFIED) {
    const line = cgroupFile(pid, '', 'io.max');
    expect(line).toBe(`${number} rbps=${5 * MB} wbps=${6 * MB} riops=900 wiops=800`);
  } else {
    const read = (file: string) => cgroupFile(pid, `blkio/blkio.throttle.${file}_device`, '');
    expect(read('read_bps')).toBe(`${number} ${5 * MB}`);
    expect(read('write_bps')).toBe(`${number} ${6 * MB}`);
    expect(read('read_iops')).toBe(`${number} 900`);
    expect(read('write_iops')).toBe(`${number} 800`);
  }
  // v1's root does not show BFQ's weights, by which dockerd and we tell whether there are any.
  const lacks = run.stderr.includes('Block I/O weight or the cgroup is not mounted. Weight discarded.');
  expect(run.stderr.includes('Block I/O weight_device or the cgroup is not mounted.')).toBe(lacks);
  if (!lacks) {
    const directory = cgroupOf(pid, 'blkio');
    const names = ['io.bfq.weight', 'io.weight', 'blkio.weight'];
    const file = names.map((name) => join(directory, name)).find((path) => existsSync(path));
    expect(readFileSync(file!, 'utf8')).toMatch(/^(default )?(300|2930)$/m);
  }
  await tare('rm', '-f', id);
});

test.skipIf(REFERENCE)(
  '--cpu-rt-period and --cpu-rt-runtime: real-time on v1, refused elsewhere',
  async () => {
    const flags = ['--cpu-rt-period', '500000', '--cpu-rt-runtime', '1000', '--cpuset-mems', '0'];
    const run = await daemon.tare('run', '-d', ...flags, 'busybox', 'sleep', '1000');
    if (run.code !== 0) {
      expect(run.stderr).toContain('Your kernel does not support CPU real-time scheduler');
      return;
    }
    const pid = await pidOf(run.stdout.trim());
    expect(cgroupFile(pid, 'cpu/cpu.rt_runtime_us', '')).toBe('1000');
    expect(cgroupFile(pid, 'cpu/cpu.rt_period_us', '')).toBe('500000');
    expect(cgroupFile(pid, 'cpuset/cpuset.mems', 'cpuset.mems')).toBe('0');
    await tare('update', '--cpu-rt-runtime', '2000', run.stdout.trim());
    expect(cgroupFile(pid, 'cpu/cpu.rt_runtime_us', '')).toBe('2000');
    // More than the machine has: crun gives up half-way, and the end of the daemon finds none of its cgroups.
    const failed = await daemon.tare('run', '--rm', '--cpu-rt-runtime', '990000', 'busybox', 'true');
    expect(failed.stderr).toContain('cpu.rt_runtime_us');
    await tare('rm', '-f', run.stdout.trim());
  },
);

test('combinations that are refused', async () => {
  const refusal = async (...flags: string[]) => {
    const { code, stderr } = await daemon.tare('create', ...flags, 'busybox');
    expect(code).toBe(1);
    return stderr;
  };
  expect(await refusal('-m', '20m', '--memory-swap', '10m')).toContain(
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  );
  expect(await refusal('--memory-swap', '10m')).toContain(
    'You should always set the Memory limit when using Memoryswap limit, see usage',
  );
  expect(await refusal('-m', '1m')).toContain('Minimum memory limit allowed is 6MB');
  expect(await refusal('-m', '20m', '--memory-reservation', '30m')).toContain(
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  );
  expect(await refusal('--cpus', '1', '--cpu-quota', '50000')).toContain(
    'Conflicting options: Nano CPUs and CPU Quota cannot both be set',
  );
  expect(await refusal('--cpu-period', '10')).toContain('CPU cfs period can not be less than 1ms');
  expect(await refusal('--cpuset-cpus', '900')).toContain('Requested CPUs are not available - requested 900');
  expect(await refusal('--cpuset-mems', '900')).toContain(
    'Requested memory nodes are not available - requested 900, available: 0',
  );
  expect(await refusal('--cpuset-cpus', '2-1')).toMatch(/Invalid value 2-1 for cpuset cpus|not available/);
});
