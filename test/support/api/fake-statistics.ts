import type { StatisticsSample, StatisticsService } from '../../../src/engine/containers/statistics.ts';
import { NOW } from './fake-containers.ts';

const GIGABYTE = 2 ** 30;

/** A reading of cgroup v1 in which every number is another one. */
export function fakeSample(change: Partial<StatisticsSample> = {}): StatisticsSample {
  return {
    at: NOW,
    cgroup: {
      version: 1,
      cpu: {
        total: 3_000_000_000,
        kernel: 1_000_000_000,
        user: 2_000_000_000,
        perCpu: [1_400_000_000, 1_600_000_000],
        periods: 10,
        throttledPeriods: 4,
        throttledTime: 250_000_000,
      },
      memory: {
        usage: 50_000_000,
        maxUsage: 60_000_000,
        limit: GIGABYTE / 4,
        failures: 3,
        details: {
          cache: 1000,
          total_inactive_file: 10_000_000,
          hierarchical_memory_limit: 2n ** 63n - 4096n,
        },
      },
      pids: { current: 5, limit: 100 },
      blockIO: {
        serviceBytes: [
          { major: 8, minor: 0, operation: 'Read', value: 4096 },
          { major: 8, minor: 0, operation: 'Write', value: 8192 },
        ],
        serviced: [{ major: 8, minor: 0, operation: 'Read', value: 1 }],
      },
    },
    system: { usage: 9_000_000_000, onlineCpus: 2 },
    interfaces: [
      {
        name: 'eth0',
        rxBytes: 10,
        rxPackets: 11,
        rxErrors: 12,
        rxDropped: 13,
        txBytes: 14,
        txPackets: 15,
        txErrors: 16,
        txDropped: 17,
      },
    ],
    ...change,
  };
}

/** Statistics as a test sets them. */
export class FakeStatistics implements StatisticsService {
  /** What a reading gives; undefined: the container does not run. */
  now: StatisticsSample | undefined = fakeSample();
  before: StatisticsSample = fakeSample({ at: NOW - 500, system: { usage: 8_000_000_000, onlineCpus: 2 } });
  readonly watchers = new Set<{ listener: (now: StatisticsSample | undefined) => void; gone: () => void }>();
  readonly #containers: { get(ref: string): unknown };

  constructor(containers: { get(ref: string): unknown }) {
    this.#containers = containers;
  }

  once(ref: string): StatisticsSample | undefined {
    this.#containers.get(ref);
    return this.now;
  }

  async pair(ref: string) {
    const now = this.once(ref);
    return now && { before: this.before, now };
  }

  watch(ref: string, listener: (now: StatisticsSample | undefined) => void, gone: () => void): () => void {
    const watcher = { listener, gone };
    this.watchers.add(watcher);
    listener(this.once(ref));
    return () => this.watchers.delete(watcher);
  }
}
