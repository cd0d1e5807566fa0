import { readFileSync } from 'node:fs';

/** What all processors have spent since boot, idle or not. */
export interface SystemCpu {
  /** Nanoseconds, summed over the processors. */
  readonly usage: number;
  readonly onlineCpus: number;
}

/** USER_HZ is 100 on every architecture that Linux still supports (proc(5)). */
const TICK_NANOSECONDS = 1e7;
/** user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already. */
const COLUMNS = 8;

/** Reads /proc/stat as dockerd does for `system_cpu_usage`. */
export function readSystemCpu(path = '/proc/stat'): SystemCpu {
  const text = readFileSync(path, 'utf8');
  const columns = text
    .slice(0, text.indexOf('\n'))
    .split(/\s+/)
    .slice(1, 1 + COLUMNS);
  const ticks = columns.reduce((sum, column) => sum + Number(column), 0);
  return { usage: ticks * TICK_NANOSECONDS, onlineCpus: text.match(/^cpu\d/gm)?.length ?? 1 };
}
