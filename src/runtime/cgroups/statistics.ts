/** A count as the kernel keeps it: 64 bits. A bigint where a number would not be exact. */
export type Count = number | bigint;

/**
 * What a cgroup has used so far, with the units and names of both cgroup versions made one. A part is undefined when
 * the controller is not there; a member of a part is undefined when this version of cgroups does not have it.
 */
export interface CgroupStatistics {
  readonly version: 1 | 2;
  readonly cpu: CpuStatistics | undefined;
  readonly memory: MemoryStatistics | undefined;
  readonly pids: PidStatistics | undefined;
  readonly blockIO: BlockStatistics | undefined;
}

/** Nanoseconds of CPU time. */
export interface CpuStatistics {
  readonly total: number;
  readonly kernel: number;
  readonly user: number;
  readonly perCpu: readonly number[] | undefined;
  /** Periods that a quota was in force for, those in which it ran out, and the time lost thereby. */
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledTime: number;
}

/** Bytes. */
export interface MemoryStatistics {
  readonly usage: number;
  readonly maxUsage: number | undefined;
  /** `memory.limit_in_bytes` or `memory.max`; undefined: none. */
  readonly limit: Count | undefined;
  /** How often the limit was hit (v1) or memory could not be had (v2). */
  readonly failures: number;
  /** `memory.stat`. */
  readonly details: Readonly<Record<string, Count>>;
}

export interface PidStatistics {
  readonly current: number;
  /** undefined: none. */
  readonly limit: number | undefined;
}

/** Numbers per device and operation. v2 counts only bytes. */
export interface BlockStatistics {
  readonly serviceBytes: readonly BlockCount[];
  readonly serviced: readonly BlockCount[] | undefined;
}

export interface BlockCount {
  readonly major: number;
  readonly minor: number;
  /** As the kernel writes it: `Read`, `Total`, … (v1), `read`, `write` (v2). */
  readonly operation: string;
  readonly value: number;
}
