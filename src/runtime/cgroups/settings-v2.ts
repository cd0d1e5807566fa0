import type { OciResources } from '../spec/oci-spec.ts';
import { bytesSetting, cpuList, deviceSetting, plain, type Setting } from './settings.ts';

/** What a container's v2 cgroup has now, as far as it matters for writing. */
export interface PresentV2 {
  /** Microseconds of `cpu.max`: the kernel wants quota and period together. */
  readonly cpuPeriod: number;
  readonly cpuQuota: number | undefined;
  has(file: string): boolean;
}

/** Limits as files of the unified hierarchy, in the order in which the kernel takes them. */
export function settingsV2(limits: OciResources, present: PresentV2): Setting[] {
  return [
    ...memorySettings(limits.memory ?? {}),
    ...cpuSettings(limits.cpu ?? {}, present),
    ...(limits.pids
      ? [plain('pids', 'pids.max', limits.pids.limit > 0 ? String(limits.pids.limit) : 'max')]
      : []),
    ...blockSettings(limits.blockIO ?? {}, present),
    ...Object.entries(limits.unified ?? {}).map(([file, value]) => raw(file, value)),
  ];
}

/** A key that the user names. The kernel completes some values: `50000` in cpu.max reads as `50000 100000`. */
function raw(file: string, value: string): Setting {
  const controller = file.slice(0, file.indexOf('.'));
  if (controller === 'cpuset' && !file.endsWith('partition')) return cpuList(controller, file, value);
  const size = /^(\d+)([KMGT]?)$/i.exec(value);
  if (size !== null && (controller === 'memory' || size[2] !== '')) {
    const power = 'KMGT'.indexOf((size[2] || '?').toUpperCase()) + 1;
    return bytesSetting(controller, file, Number(size[1]) * 1024 ** power, 'max');
  }
  return { ...plain(controller, file, value), holds: (text) => text === value || text.includes(value) };
}

function memorySettings(memory: NonNullable<OciResources['memory']>): Setting[] {
  const bytes = (file: string, value: number | undefined): Setting[] =>
    value === undefined ? [] : [bytesSetting('memory', `memory.${file}`, value, 'max')];
  const { limit, swap } = memory;
  // Docker's number is memory and swap together, the kernel's is swap alone.
  const swapAlone =
    swap === undefined
      ? undefined
      : swap < 0
        ? -1
        : Math.max(0, swap - (limit === undefined || limit < 0 ? 0 : limit));
  return [
    ...bytes('max', limit),
    ...bytes('swap.max', swapAlone),
    // What is protected from reclaim while memory is short, as runc and crun have it.
    ...bytes('low', memory.reservation),
  ];
}

/** Shares of v1, 2 to 262,144, as a weight of 1 to 10,000 (the formula of runc and crun). */
export function weightOfShares(shares: number): number {
  return 1 + Math.floor(((Math.min(262_144, Math.max(2, shares)) - 2) * 9999) / 262_142);
}

function cpuSettings(cpu: NonNullable<OciResources['cpu']>, present: PresentV2): Setting[] {
  const settings: Setting[] = [];
  if (cpu.shares !== undefined) settings.push(plain('cpu', 'cpu.weight', String(weightOfShares(cpu.shares))));
  if (cpu.quota !== undefined || cpu.period !== undefined) {
    const quota = cpu.quota ?? present.cpuQuota ?? -1;
    const period = cpu.period ?? present.cpuPeriod;
    settings.push(plain('cpu', 'cpu.max', `${quota > 0 ? quota : 'max'} ${period}`));
  }
  if (cpu.cpus !== undefined) settings.push(cpuList('cpuset', 'cpuset.cpus', cpu.cpus));
  if (cpu.mems !== undefined) settings.push(cpuList('cpuset', 'cpuset.mems', cpu.mems));
  return settings;
}

/** A weight of v1, 10 to 1000, as one of 1 to 10,000 (the formula of runc and crun). */
export function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

function blockSettings(block: NonNullable<OciResources['blockIO']>, present: PresentV2): Setting[] {
  type Throttles = typeof block.throttleReadBpsDevice;
  const throttles = (key: string, list: Throttles = []): Setting[] =>
    list.map((one) =>
      deviceSetting('io', 'io.max', one, `${key}=${one.rate > 0 ? one.rate : 'max'}`, `${key}=max`),
    );
  const bfq = present.has('io.bfq.weight');
  const file = bfq ? 'io.bfq.weight' : 'io.weight';
  const scaled = (weight: number): string => String(bfq ? weight : ioWeight(weight));
  return [
    ...(block.weight === undefined ? [] : [defaultWeight(file, scaled(block.weight))]),
    ...(block.weightDevice ?? []).map((one) => deviceSetting('io', file, one, scaled(one.weight), 'default')),
    ...throttles('rbps', block.throttleReadBpsDevice),
    ...throttles('wbps', block.throttleWriteBpsDevice),
    ...throttles('riops', block.throttleReadIOPSDevice),
    ...throttles('wiops', block.throttleWriteIOPSDevice),
  ];
}

/** `io.weight` shows `default 100` and a line for each device; older kernels show BFQ's as a number alone. */
function defaultWeight(file: string, value: string): Setting {
  const weightIn = (text: string): string => /^(?:default )?(\d+)$/m.exec(text)?.[1] ?? '100';
  return {
    ...plain('io', file, `default ${value}`),
    holds: (text) => weightIn(text) === value,
    undo: (text) => `default ${weightIn(text)}`,
  };
}
