import { mkdirSync, readFileSync } from 'node:fs';
import { listMounts, mount } from '../../kernel/mount.ts';
import type { CgroupLayout } from './cgroup.ts';

const ROOT = '/sys/fs/cgroup';

/** The mounted hierarchies. Throws when no cgroup file system is mounted at all. */
export function readLayout(): CgroupLayout {
  const mounts = listMounts().filter((entry) => entry.target.startsWith(ROOT));
  const root = mounts.findLast((entry) => entry.target === ROOT);
  if (root?.type === 'cgroup2') {
    return { version: 2, hierarchies: [ROOT], processes: ROOT, controller: () => ROOT };
  }
  const hierarchies: string[] = [];
  const controllers = new Map<string, string>();
  for (const entry of mounts) {
    if (entry.type !== 'cgroup' && entry.type !== 'cgroup2') continue;
    hierarchies.push(entry.target);
    if (entry.type === 'cgroup') {
      for (const option of entry.superOptions.split(',')) controllers.set(option, entry.target);
    }
  }
  const processes = controllers.get('pids') ?? controllers.get('memory') ?? hierarchies[0] ?? ROOT;
  return { version: 1, hierarchies, processes, controller: (name) => controllers.get(name) };
}

/** v1 hierarchies that limits and `pause` need. */
const NEEDED = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids'];
/** v2's names that v1 calls otherwise. */
const V1_NAMES: Readonly<Record<string, string>> = { io: 'blkio' };

/**
 * On a machine with cgroup v1, mounts the hierarchies that nobody mounted, as Debian's cgroupfs-mount does, and
 * returns where. crun refuses a hybrid tree whose v2 part still has controllers, so those are taken over to v1
 * (hugetlb mostly). On v2, and when nothing is missing, does nothing. Throws a SyscallError when a mount fails.
 */
export function ensureHierarchies(): string[] {
  const made: string[] = [];
  if (!listMounts().some((entry) => entry.target.startsWith(ROOT))) {
    mount('tmpfs', 'cgroup', ROOT, ['nosuid', 'nodev', 'noexec', 'mode=755']);
    made.push(ROOT);
  }
  const layout = readLayout();
  if (layout.version === 2) return made;
  const wanted = new Set([...NEEDED, ...unifiedControllers()]);
  for (const name of enabledControllers()) {
    if (!wanted.has(name) || layout.controller(name) !== undefined) continue;
    const target = `${ROOT}/${name}`;
    mkdirSync(target, { recursive: true });
    mount('cgroup', 'cgroup', target, [name]);
    made.push(target);
  }
  return made;
}

/** Controllers that a hybrid tree's v2 part holds. */
function unifiedControllers(): string[] {
  try {
    const text = readFileSync(`${ROOT}/unified/cgroup.controllers`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map((name) => V1_NAMES[name] ?? name);
  } catch {
    return [];
  }
}

/** Names of /proc/cgroups (cgroups(7)) whose last column says enabled. */
function enabledControllers(): string[] {
  const names: string[] = [];
  for (const line of readFileSync('/proc/cgroups', 'utf8').split('\n')) {
    const [name, , , enabled] = line.split('\t');
    if (name && !name.startsWith('#') && enabled === '1') names.push(name);
  }
  return names;
}
