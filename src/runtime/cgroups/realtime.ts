import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { OciResources } from '../spec/oci-spec.ts';
import type { CgroupLayout } from './cgroup.ts';
import { readNumber } from './files.ts';

/**
 * Lets the ancestors of a v1 cgroup have as much real-time as the container asks for: a new cgroup has none, and the
 * kernel gives a child no more than its parent has (sched-rt-group.rst). dockerd needs `--cpu-rt-runtime` for that.
 * What the kernel refuses is left for crun to complain about.
 * @param path of the container's cgroup, with a leading slash.
 */
export function grantRealtime(layout: CgroupLayout, path: string, cpu: OciResources['cpu']): void {
  const base = layout.controller('cpu');
  const wanted = cpu?.realtimeRuntime ?? 0;
  if (layout.version !== 1 || base === undefined || wanted <= 0) return;
  const parents: string[] = [];
  for (let parent = dirname(path); parent !== '/' && parent !== '.'; parent = dirname(parent)) {
    parents.unshift(join(base, parent));
  }
  let most = readNumber(join(base, 'cpu.rt_runtime_us'));
  for (const directory of parents) {
    try {
      mkdirSync(directory, { recursive: true });
      const file = join(directory, 'cpu.rt_runtime_us');
      if (readNumber(file) < most) writeFileSync(file, String(most));
      most = readNumber(file);
    } catch {
      return;
    }
  }
}
