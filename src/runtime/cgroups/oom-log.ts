import { kernelRecords } from '../../kernel/kernel-log.ts';
import type { ProcessIdentity } from '../../kernel/processes.ts';

/** Clock ticks a second, sysconf(_SC_CLK_TCK) on every architecture of Linux's today. */
const TICKS = 100;

/**
 * Whether the kernel's log has an out-of-memory kill in the cgroup at `path`, or below it, since `first` started. For
 * cgroups that are gone before their counter can be read: systemd removes a scope as soon as it is empty.
 */
export function oomKillLogged(path: string, first: ProcessIdentity, records = kernelRecords()): boolean {
  const since = first.startTime / TICKS;
  return records.some(({ seconds, message }) => {
    // The start is cut to a tick.
    if (!message.startsWith('oom-kill:') || seconds < since - 1 / TICKS) return false;
    const group = /,task_memcg=([^,]*)/.exec(message)?.[1] ?? '';
    return group === path || group.startsWith(`${path}/`);
  });
}
