import type { InterfaceCounters } from '../../netdriver/interface-counters.ts';
import type { CgroupStatistics } from '../../runtime/cgroups/statistics.ts';
import type { SystemCpu } from '../../runtime/system-cpu.ts';

/** What a running container had used at one moment. */
export interface StatisticsSample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly cgroup: CgroupStatistics;
  readonly system: SystemCpu;
  /** Its own interfaces; none with the host's network. */
  readonly interfaces: readonly InterfaceCounters[];
}

/**
 * Statistics of containers. A *reading* is a sample, or undefined while the container does not run.
 *
 * All who watch share one sampler: it reads each watched container once a second, however many watch it, and nothing
 * while nobody watches.
 */
export interface StatisticsService {
  /** One reading, now. Throws `not-found`. */
  once(ref: string): StatisticsSample | undefined;
  /**
   * Two readings far enough apart to tell CPU percentages from; the earlier one is taken from what the sampler has
   * where that will do. Undefined when the container does not run (any more). Throws `not-found`.
   */
  pair(ref: string): Promise<{ before: StatisticsSample; now: StatisticsSample } | undefined>;
  /**
   * Calls `listener` with a reading at once and then every second; `gone` is called once, when the container was
   * removed. Returns what ends it. Throws `not-found`.
   */
  watch(ref: string, listener: (reading: StatisticsSample | undefined) => void, gone: () => void): () => void;
}
