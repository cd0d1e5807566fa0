/** What the kernel says of a container's cgroup, on either version, for any engine's place for it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** True on a machine with the unified hierarchy only. */
export const UNIFIED = existsSync(join(ROOT, 'cgroup.controllers'));

/** The directory of a process's cgroup. `controller` chooses the hierarchy of v1. */
export function cgroupOf(pid: number, controller: string): string {
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (UNIFIED ? line.startsWith('0::') : controllers.split(',').includes(controller)) {
      return UNIFIED ? join(ROOT, path) : join(ROOT, controller, path);
    }
  }
  throw new Error(`process ${pid} has no cgroup of ${controller}`);
}

/** A file of a process's cgroup, trimmed: `v1` is `controller/file`, `v2` the file. */
export function cgroupFile(pid: number, v1: string, v2: string): string {
  const slash = v1.indexOf('/');
  const directory = cgroupOf(pid, v1.slice(0, slash));
  return readFileSync(join(directory, UNIFIED ? v2 : v1.slice(slash + 1)), 'utf8').trim();
}

/** Nanoseconds of CPU time that a process's cgroup has had. */
export function cpuTime(pid: number): number {
  if (!UNIFIED) return Number(cgroupFile(pid, 'cpuacct/cpuacct.usage', ''));
  return Number(/^usage_usec (\d+)$/m.exec(cgroupFile(pid, '', 'cpu.stat'))?.[1]) * 1000;
}
