import type { OciResources } from '../spec/oci-spec.ts';
import { bytesSetting, cpuList, deviceSetting, plain, type Setting } from './settings.ts';

/** What a container's v1 cgroup has now, as far as the order of writing depends on it. */
export interface PresentV1 {
  /** `memory.limit_in_bytes`. */
  readonly memory: number;
  /** Whether the hierarchy of `controller` has `file`. */
  has(controller: string, file: string): boolean;
}

/** Limits in the order in which the kernel takes them. */
export function settingsV1(limits: OciResources, present: PresentV1): Setting[] {
  return [
    ...memorySettings(limits.memory ?? {}, present),
    ...cpuSettings(limits.cpu ?? {}),
    ...(limits.pids
      ? [plain('pids', 'pids.max', limits.pids.limit > 0 ? String(limits.pids.limit) : 'max')]
      : []),
    ...blockSettings(limits.blockIO ?? {}, present),
  ];
}

function memorySettings(memory: NonNullable<OciResources['memory']>, present: PresentV1): Setting[] {
  const bytes = (file: string, value: number | undefined): Setting[] =>
    value === undefined ? [] : [bytesSetting('memory', `memory.${file}`, value, '-1')];
  const limit = bytes('limit_in_bytes', memory.limit);
  const swap = present.has('memory', 'memory.memsw.limit_in_bytes')
    ? bytes('memsw.limit_in_bytes', memory.swap)
    : [];
  // Memory must never be more than memory and swap together.
  const grows = memory.swap !== undefined && (memory.swap < 0 || memory.swap > present.memory);
  return [
    ...(grows ? [...swap, ...limit] : [...limit, ...swap]),
    ...bytes('soft_limit_in_bytes', memory.reservation),
    ...(memory.swappiness === undefined
      ? []
      : [plain('memory', 'memory.swappiness', String(memory.swappiness))]),
    ...(memory.disableOOMKiller === undefined ? [] : [oomControl(memory.disableOOMKiller)]),
  ];
}

/** The file takes a digit and shows several lines. */
function oomControl(disable: boolean): Setting {
  const digitIn = (text: string): string => /^oom_kill_disable (\d)$/m.exec(text)?.[1] ?? '0';
  const value = disable ? '1' : '0';
  return {
    ...plain('memory', 'memory.oom_control', value),
    holds: (text) => digitIn(text) === value,
    undo: digitIn,
  };
}

function cpuSettings(cpu: NonNullable<OciResources['cpu']>): Setting[] {
  const one = (file: string, value: number | undefined): Setting[] =>
    value === undefined ? [] : [plain('cpu', file, String(value))];
  const list = (file: string, value: string | undefined): Setting[] =>
    value === undefined ? [] : [cpuList('cpuset', file, value)];
  return [
    ...one('cpu.shares', cpu.shares),
    ...one('cpu.cfs_period_us', cpu.period),
    ...one('cpu.cfs_quota_us', cpu.quota !== undefined && cpu.quota <= 0 ? -1 : cpu.quota),
    ...one('cpu.rt_period_us', cpu.realtimePeriod),
    ...one('cpu.rt_runtime_us', cpu.realtimeRuntime),
    ...list('cpuset.cpus', cpu.cpus),
    ...list('cpuset.mems', cpu.mems),
  ];
}

function blockSettings(block: NonNullable<OciResources['blockIO']>, present: PresentV1): Setting[] {
  const bfq = present.has('blkio', 'blkio.bfq.weight') ? 'blkio.bfq.' : 'blkio.';
  type Throttles = typeof block.throttleReadBpsDevice;
  const throttles = (file: string, list: Throttles = []): Setting[] =>
    list.map((one) => deviceSetting('blkio', `blkio.throttle.${file}`, one, String(one.rate), '0'));
  return [
    ...(block.weight === undefined ? [] : [plain('blkio', `${bfq}weight`, String(block.weight))]),
    ...(block.weightDevice ?? []).map((one) =>
      deviceSetting('blkio', `${bfq}weight_device`, one, String(one.weight), '0'),
    ),
    ...throttles('read_bps_device', block.throttleReadBpsDevice),
    ...throttles('write_bps_device', block.throttleWriteBpsDevice),
    ...throttles('read_iops_device', block.throttleReadIOPSDevice),
    ...throttles('write_iops_device', block.throttleWriteIOPSDevice),
  ];
}
