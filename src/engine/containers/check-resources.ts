import { availableParallelism } from 'node:os';
import { TareError } from '../../base/errors.ts';
import type { Resources } from './model.ts';

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

const MINIMUM_MEMORY = 6 * 1024 * 1024;
const BILLION = 1e9;

/** Where a machine's processors and memory nodes are; a test gives its own. */
export interface Topology {
  readonly cpus: number;
  /** Memory nodes, 0 to this number less one. */
  readonly memoryNodes: number;
}

/**
 * Refuses limits that contradict themselves or that no machine has, in dockerd's words.
 * @param update the limits are changes to those of a container that may have others already.
 * @throws TareError `invalid`
 */
export function checkResources(resources: Resources, update = false, topology?: Topology): void {
  const { cpus, memoryNodes } = topology ?? { cpus: availableParallelism(), memoryNodes: 1 };
  checkMemory(resources, update);
  checkCpu(resources, cpus);
  checkList(resources.cpusetCpus, cpus, 'cpuset cpus', 'CPUs');
  checkList(resources.cpusetMems, memoryNodes, 'cpuset mems', 'memory nodes');
  checkBlockIo(resources);
  for (const { name, soft, hard } of resources.ulimits) {
    if (hard !== -1 && (soft > hard || soft === -1)) {
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
    if (!/^[a-z]+$/.test(name)) throw invalid(`invalid ulimit type: ${name}`);
  }
  for (const key of Object.keys(resources.cgroupConf ?? {})) checkUnifiedKey(key);
}

function checkMemory(resources: Resources, update: boolean): void {
  const { memory, memorySwap, memoryReservation, memorySwappiness } = resources;
  if (memory !== 0 && memory < MINIMUM_MEMORY) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory > 0 && memorySwap > 0 && memorySwap < memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && memorySwap > 0 && !update) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (memorySwappiness !== null && (memorySwappiness < -1 || memorySwappiness > 100)) {
    throw invalid(`Invalid value: ${memorySwappiness}, valid memory swappiness range is 0-100`);
  }
  if (memoryReservation !== 0 && memoryReservation < MINIMUM_MEMORY) {
    throw invalid('Minimum memory reservation allowed is 6MB');
  }
  if (memory > 0 && memoryReservation > 0 && memory < memoryReservation) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
}

function checkCpu(resources: Resources, count: number): void {
  const { nanoCpus, cpuPeriod, cpuQuota, cpuShares } = resources;
  if (cpuShares < 0) throw invalid(`invalid CPU shares (${cpuShares}): value must be a positive integer`);
  if (nanoCpus !== 0) {
    if (cpuPeriod > 0) throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set.');
    if (cpuQuota > 0) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set.');
    if (nanoCpus < BILLION / 100 || nanoCpus > count * BILLION) {
      throw invalid(`range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`);
    }
  }
  if (cpuPeriod !== 0 && (cpuPeriod < 1000 || cpuPeriod > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (cpuQuota > 0 && cpuQuota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
}

function checkList(list: string, count: number, what: string, things: string): void {
  if (list === '') return;
  for (const part of list.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (!match || Number(match[2] ?? match[1]) < Number(match[1])) {
      throw invalid(`Invalid value ${list} for ${what}`);
    }
    if (Number(match[2] ?? match[1]) >= count) {
      const available = count > 1 ? `0-${count - 1}` : '0';
      throw invalid(`Requested ${things} are not available - requested ${list}, available: ${available}`);
    }
  }
}

function checkBlockIo({ blkioWeight, blkioWeightDevice }: Resources): void {
  const outside = (weight: number): boolean => weight !== 0 && (weight < 10 || weight > 1000);
  if (outside(blkioWeight)) throw invalid('Range of blkio weight is from 10 to 1000');
  for (const { path, weight } of blkioWeightDevice ?? []) {
    if (outside(weight)) throw invalid(`invalid weight for device: ${path}:${weight}`);
  }
}

/** Files that a limit can be written to; those that move or end processes are the engine's own. */
function checkUnifiedKey(key: string): void {
  const known = /^[a-z0-9_]+(\.[a-z0-9_]+)+$/i.test(key);
  if (known && (!key.startsWith('cgroup.') || /^cgroup\.max\.(depth|descendants)$/.test(key))) return;
  throw invalid(`invalid cgroup-conf "${key}": give a limit's file of cgroup v2, such as memory.high=512M`);
}
