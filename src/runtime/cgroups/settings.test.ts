import { describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OciResources } from '../spec/oci-spec.ts';
import { applySettings } from './apply.ts';
import { bytesSetting, cpuList, plain, type Setting } from './settings.ts';
import { settingsV1 } from './settings-v1.ts';
import { settingsV2, weightOfShares } from './settings-v2.ts';

const LIMITS: OciResources = {
  memory: { limit: 1000, swap: 3000, reservation: 500, swappiness: 10, disableOOMKiller: true },
  cpu: { shares: 1024, quota: 25_000, period: 50_000, cpus: '0,1', mems: '0' },
  pids: { limit: 7 },
  blockIO: {
    weight: 500,
    weightDevice: [{ major: 8, minor: 0, weight: 10 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1_000_000 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 0 }],
  },
};
const lines = (settings: readonly Setting[]) => settings.map(({ file, value }) => `${file} ${value}`);

describe('v1', () => {
  const present = { memory: 2000, has: () => true };

  test('every limit has its file', () => {
    expect(lines(settingsV1(LIMITS, present))).toEqual([
      // Grows: memory and swap first.
      'memory.memsw.limit_in_bytes 3000',
      'memory.limit_in_bytes 1000',
      'memory.soft_limit_in_bytes 500',
      'memory.swappiness 10',
      'memory.oom_control 1',
      'cpu.shares 1024',
      'cpu.cfs_period_us 50000',
      'cpu.cfs_quota_us 25000',
      'cpuset.cpus 0,1',
      'cpuset.mems 0',
      'pids.max 7',
      'blkio.bfq.weight 500',
      'blkio.bfq.weight_device 8:0 10',
      'blkio.throttle.read_bps_device 8:0 1000000',
      'blkio.throttle.write_iops_device 8:0 0',
    ]);
  });

  test('less memory and swap than there was memory: memory shrinks first', () => {
    const shrinks = settingsV1({ memory: { limit: 1000, swap: 1500 } }, present);
    expect(lines(shrinks)).toEqual(['memory.limit_in_bytes 1000', 'memory.memsw.limit_in_bytes 1500']);
    const unlimited = settingsV1({ memory: { limit: 1000, swap: -1 } }, present);
    expect(lines(unlimited)[0]).toBe('memory.memsw.limit_in_bytes -1');
    // A kernel that does not count swap has no such file.
    const without = settingsV1({ memory: { limit: 1000, swap: 3000 } }, { memory: 0, has: () => false });
    expect(lines(without)).toEqual(['memory.limit_in_bytes 1000']);
  });

  test('the OOM killer: one digit is written, lines are read', () => {
    const [setting] = settingsV1({ memory: { disableOOMKiller: false } }, present);
    expect(setting!.holds('oom_kill_disable 0\nunder_oom 0\noom_kill 0')).toBe(true);
    expect(setting!.holds('oom_kill_disable 1\nunder_oom 0\noom_kill 0')).toBe(false);
    expect(setting!.undo('oom_kill_disable 1\nunder_oom 1')).toBe('1');
  });
});

describe('v2', () => {
  const present = { cpuPeriod: 100_000, cpuQuota: undefined, has: () => false };

  test('every limit has its file; swap is what lies above memory', () => {
    const unified = { 'memory.high': '512M', 'io.latency': '8:0 target=1' };
    expect(lines(settingsV2({ ...LIMITS, unified }, present))).toEqual([
      'memory.max 1000',
      'memory.swap.max 2000',
      'memory.low 500',
      'cpu.weight 39',
      'cpu.max 25000 50000',
      'cpuset.cpus 0,1',
      'cpuset.mems 0',
      'pids.max 7',
      'io.weight default 4950',
      'io.weight 8:0 1',
      'io.max 8:0 rbps=1000000',
      'io.max 8:0 wiops=max',
      `memory.high ${512 * 2 ** 20}`,
      'io.latency 8:0 target=1',
    ]);
  });

  test('a period alone keeps the quota, and a quota the period', () => {
    const now = { cpuPeriod: 20_000, cpuQuota: 5000, has: () => false };
    expect(lines(settingsV2({ cpu: { period: 40_000 } }, now))).toEqual(['cpu.max 5000 40000']);
    expect(lines(settingsV2({ cpu: { quota: 9000 } }, now))).toEqual(['cpu.max 9000 20000']);
    expect(lines(settingsV2({ cpu: { quota: -1 } }, now))).toEqual(['cpu.max max 20000']);
  });

  test('io.max: one key of one device', () => {
    const [setting] = settingsV2(
      { blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }] } },
      present,
    );
    expect(setting!.holds('8:16 rbps=5 wbps=max\n8:0 rbps=5 wbps=max riops=max wiops=max')).toBe(true);
    expect(setting!.holds('8:16 rbps=5 wbps=max riops=max wiops=max')).toBe(false);
    expect(setting!.undo('')).toBe('8:0 rbps=max');
    expect(setting!.undo('8:0 rbps=7 wbps=max riops=max wiops=max')).toBe('8:0 rbps=7');
  });

  test('shares as weight', () => {
    expect([2, 1024, 262_144, 0].map(weightOfShares)).toEqual([1, 39, 10_000, 1]);
  });
});

test('numbers as the kernel shows them again', () => {
  const bytes = bytesSetting('memory', 'memory.limit_in_bytes', 10_000, '-1');
  expect(bytes.holds('8192')).toBe(true);
  expect(bytes.holds('12288')).toBe(false);
  const none = bytesSetting('memory', 'memory.limit_in_bytes', -1, '-1');
  expect(none.value).toBe('-1');
  expect(none.holds('9223372036854771712')).toBe(true);
  expect(bytes.undo('9223372036854771712')).toBe('-1');
  expect(cpuList('cpuset', 'cpuset.cpus', '2,0-1').holds('0-2')).toBe(true);
  expect(cpuList('cpuset', 'cpuset.cpus', '0').holds('0-2')).toBe(false);
});

describe('writing', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tare-limits-'));
  const file = (name: string) => join(directory, name);

  test('what cannot be written takes back what was', () => {
    writeFileSync(file('one'), '1\n');
    const settings = [plain('c', 'one', '2'), plain('c', 'missing', '3')];
    expect(() => applySettings(() => directory, settings)).toThrow("this machine's kernel has no missing");
    expect(readFileSync(file('one'), 'utf8')).toBe('1');
    expect(() => applySettings(() => undefined, settings)).toThrow("this machine's kernel has no one");
  });

  test('what the kernel takes and does not keep is no success', () => {
    writeFileSync(file('one'), '1\n');
    const stubborn: Setting = { ...plain('c', 'one', '2'), holds: () => false };
    expect(() => applySettings(() => directory, [stubborn])).toThrow('took 2 for one but kept 2');
    expect(readFileSync(file('one'), 'utf8')).toBe('1');
    rmSync(directory, { recursive: true });
  });
});
