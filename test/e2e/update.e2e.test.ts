import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NO_RESOURCES } from '../../src/engine/containers/limit-update.ts';
import { cgroupFile, cgroupOf, UNIFIED } from '../support/cgroups.ts';
import { CLIENTS, REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';

const MB = 1024 * 1024;
const IDLE = ['busybox', 'sleep', '100000'];

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const inspect = async (id: string) =>
  (await (await daemon.request('GET', `/containers/${id}/json`)).json()) as {
    State: { Pid: number };
    HostConfig: Record<string, unknown>;
  };
const pidOf = async (id: string) => (await inspect(id)).State.Pid;

describe.each(CLIENTS)('%s', (client) => {
  const out = (...args: string[]) => daemon.ok(client, args);

  test('all at once: in the kernel, in inspect, and after a restart', async () => {
    const id = await out('run', '-d', '-m', '64m', ...IDLE);
    const flags = ['-m', '96m', '--memory-reservation', '32m', '--cpus', '.5', '--pids-limit', '9'];
    expect(await out('update', ...flags, '--cpuset-cpus', '0', '--cpu-shares', '512', id)).toBe(id);
    const check = async () => {
      const pid = await pidOf(id);
      expect(cgroupFile(pid, 'memory/memory.limit_in_bytes', 'memory.max')).toBe(String(96 * MB));
      expect(cgroupFile(pid, 'memory/memory.soft_limit_in_bytes', 'memory.low')).toBe(String(32 * MB));
      expect(cgroupFile(pid, 'cpu/cpu.cfs_quota_us', 'cpu.max')).toMatch(/^50000( 100000)?$/);
      expect(cgroupFile(pid, 'pids/pids.max', 'pids.max')).toBe('9');
      expect(cgroupFile(pid, 'cpuset/cpuset.cpus', 'cpuset.cpus')).toBe('0');
      expect(cgroupFile(pid, 'cpu/cpu.shares', 'cpu.weight')).toMatch(/^(512|20)$/);
    };
    await check();
    expect((await inspect(id)).HostConfig).toMatchObject({
      Memory: 96 * MB,
      MemorySwap: 128 * MB,
      MemoryReservation: 32 * MB,
      NanoCpus: 5e8,
      PidsLimit: 9,
      CpusetCpus: '0',
      CpuShares: 512,
    });
    await out('restart', '-t', '0', id);
    await check();
    await out('rm', '-f', id);
  });

  test('what contradicts what is set, and what no machine has', async () => {
    const id = await out('run', '-d', '-m', '64m', '--cpus', '.5', ...IDLE);
    const refused = async (...flags: string[]) => {
      const { code, stderr } = await daemon.client(client, ['update', ...flags, id]);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await refused('-m', '256m')).toContain(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
    expect(await refused('--cpu-quota', '5000')).toContain(
      `Cannot update container ${id}: Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set`,
    );
    expect(await refused('-m', '1m')).toContain('Minimum memory limit allowed is 6MB');
    expect(await refused('-m', '64m', '--memory-swap', '32m')).toContain(
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    );
    expect(await refused('--cpus', '5000')).toMatch(
      /[Rr]ange of CPUs is from 0.01 to \d+.00, as there are only/,
    );
    expect(await refused('--cpuset-cpus', '5000')).toContain(
      'Requested CPUs are not available - requested 5000',
    );
    expect(cgroupFile(await pidOf(id), 'memory/memory.limit_in_bytes', 'memory.max')).toBe(String(64 * MB));
    await out('rm', '-f', id);
  });

  test('one that is stopped has its new limits when it starts; the event', async () => {
    const id = await out('create', ...IDLE);
    await out('update', '-m', '64m', '--memory-swap', '-1', '--restart', 'on-failure:3', id);
    await out('start', id);
    expect(cgroupFile(await pidOf(id), 'memory/memory.limit_in_bytes', 'memory.max')).toBe(String(64 * MB));
    const events = await out(
      'events',
      '--since',
      '1',
      '--until',
      String(Math.ceil(Date.now() / 1000)),
      '--filter',
      `container=${id}`,
    );
    expect(events).toContain(' container update ');
    await out('rm', '-f', id);
  });
});

test.skipIf(REFERENCE)(
  'a daemon that was killed between cgroup and row: the next one completes the update',
  async () => {
    const out = (...args: string[]) => daemon.ok('tare', args);
    const id = await out('run', '-d', '-m', '64m', '--memory-swap', '-1', ...IDLE);
    const pid = await pidOf(id);
    await daemon.kill9();
    const [limit, max] = ['memory.limit_in_bytes', 'memory.max'];
    // As the daemon leaves it: the note, and half of what it says in the kernel.
    const resources = { ...NO_RESOURCES, memory: 96 * MB, memorySwap: -1, pidsLimit: 50 };
    const limits = { memory: { limit: 96 * MB }, pids: { limit: 50 } };
    writeFileSync(join(daemon.execRoot, 'c', id, 'update.json'), JSON.stringify({ limits, resources }));
    writeFileSync(join(cgroupOf(pid, 'memory'), UNIFIED ? max : limit), String(96 * MB));
    await daemon.start();
    expect(await out('inspect', '-f', '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}', id)).toBe(
      `${96 * MB} 50`,
    );
    expect(cgroupFile(pid, `memory/${limit}`, max)).toBe(String(96 * MB));
    expect(cgroupFile(pid, 'pids/pids.max', 'pids.max')).toBe('50');
    // A note that was cut short came before anything else.
    await daemon.kill9();
    writeFileSync(join(daemon.execRoot, 'c', id, 'update.json'), '{"limits":{"mem');
    await daemon.start();
    expect(await out('inspect', '-f', '{{.HostConfig.Memory}}', id)).toBe(String(96 * MB));
    expect(existsSync(join(daemon.execRoot, 'c', id, 'update.json'))).toBe(false);
    await out('rm', '-f', id);
  },
  60_000,
);

test.skipIf(REFERENCE)(
  'the rest: --cpu-period, --cpu-quota, --cpu-rt-*, --cpuset-mems, --blkio-weight, no limits',
  async () => {
    const id = await daemon.ok('tare', ['run', '-d', '--pids-limit', '7', ...IDLE]);
    const pid = await pidOf(id);
    const update = (...flags: string[]) => daemon.ok('tare', ['update', ...flags, id]);
    await update('--cpu-period', '50000', '--cpu-quota', '20000', '--cpuset-mems', '0');
    expect(cgroupFile(pid, 'cpu/cpu.cfs_period_us', 'cpu.max')).toMatch(/^(20000 )?50000$/);
    expect(cgroupFile(pid, 'cpu/cpu.cfs_quota_us', 'cpu.max')).toMatch(/^20000( 50000)?$/);
    expect(cgroupFile(pid, 'cpuset/cpuset.mems', 'cpuset.mems')).toBe('0');
    await update('--pids-limit', '-1');
    expect(cgroupFile(pid, 'pids/pids.max', 'pids.max')).toBe('max');
    const weight = await daemon.tare('update', '--blkio-weight', '300', id);
    expect(weight.code).toBe(0);
    const { BlkioWeight } = (await inspect(id)).HostConfig;
    // A warning, and then it is not stored either.
    expect(BlkioWeight).toBe(weight.stdout.includes('Block I/O weight') ? 0 : 300);
    const realtime = await daemon.tare('update', '--cpu-rt-period', '400000', '--cpu-rt-runtime', '1000', id);
    if (realtime.code === 0) expect(cgroupFile(pid, 'cpu/cpu.rt_runtime_us', '')).toBe('1000');
    else expect(realtime.stderr).toContain('Your kernel does not support CPU real-time scheduler');
    await daemon.ok('tare', ['rm', '-f', id]);
  },
);

test.skipIf(REFERENCE || UNIFIED)(
  'memory in use cannot be taken away: nothing changes',
  async () => {
    // Files of a tmpfs are memory that only swap could free.
    const fill = 'head -c 30000000 /dev/zero > /dev/shm/x; sleep 1000';
    const flags = ['-m', '64m', '--memory-swap', '64m', '--shm-size', '60m'];
    const id = await daemon.ok('tare', ['run', '-d', ...flags, 'busybox', 'sh', '-c', fill]);
    const pid = await pidOf(id);
    const used = () => Number(cgroupFile(pid, 'memory/memory.usage_in_bytes', 'memory.current'));
    while (used() < 30_000_000) await Bun.sleep(50);
    const { code, stderr } = await daemon.tare(
      'update',
      '-m',
      '10m',
      '--memory-swap',
      '10m',
      '--cpu-shares',
      '99',
      id,
    );
    expect(code).toBe(1);
    expect(stderr).toContain('more is in use');
    expect(cgroupFile(pid, 'memory/memory.limit_in_bytes', 'memory.max')).toBe(String(64 * MB));
    expect(cgroupFile(pid, 'memory/memory.memsw.limit_in_bytes', 'memory.swap.max')).toBe(String(64 * MB));
    expect((await inspect(id)).HostConfig).toMatchObject({ Memory: 64 * MB, CpuShares: 0 });
    await daemon.ok('tare', ['rm', '-f', id]);
  },
  60_000,
);
