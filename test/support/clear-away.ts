/** Finds, and takes away, what a test's daemon and its containers have on the machine. */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'bun';

/** How a daemon's things are told from everybody else's. */
export interface Owner {
  /** Its folders: mounts below them, and processes that name them, are its own. */
  readonly roots: readonly string[];
  /** A mount point of the test's own: a file system made for the data root. */
  readonly kept?: string;
  readonly bridge: string;
  /** It has a network namespace of its own, which takes links and rules along when it goes. */
  readonly isolated: boolean;
  /** Ids of containers it has had. */
  readonly containers: ReadonlySet<string>;
}

/** What is there of the owner's containers: mounts, processes, groups, interfaces. The bridge itself may stay. */
export function traces(owner: Owner): string[] {
  return [
    ...mountsOf(owner)
      .filter((place) => !isLayer(place))
      .map((place) => `mount ${place}`),
    ...processesOf(owner).map(({ pid, command }) => `process ${pid} ${command}`),
    ...cgroupsOf(owner).map((path) => `cgroup ${path}`),
    ...portsOf(owner).map((name) => `interface ${name} in ${owner.bridge}`),
  ];
}

/** Ends the processes and removes mounts, groups, interfaces and the bridge. Best effort, in this order. */
export async function clearAway(owner: Owner): Promise<void> {
  for (let round = 0; round < 20 && processesOf(owner).length > 0; round++) {
    for (const { pid } of processesOf(owner)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    await Bun.sleep(50);
  }
  for (const place of mountsOf(owner).reverse()) spawnSync(['umount', '-l', place]);
  for (const group of cgroupsOf(owner).reverse()) {
    try {
      rmdirSync(group);
    } catch {
      // Somebody is still in it: the check of the whole machine reports it.
    }
  }
  if (owner.isolated) return;
  for (const name of portsOf(owner)) spawnSync(['ip', 'link', 'delete', name]);
  if (existsSync(`/sys/class/net/${owner.bridge}`)) spawnSync(['ip', 'link', 'delete', owner.bridge]);
  spawnSync(['nft', 'delete', 'table', 'inet', `tare-${owner.bridge}`], { stderr: 'ignore' });
}

/** Layers stay mounted for a while; the daemon takes them away when it ends. */
const isLayer = (place: string) => /\/erofs\/m\/[a-z2-7]{6}$/.test(place);

const below = (path: string, roots: readonly string[]) =>
  roots.some((root) => path === root || path.startsWith(`${root}/`));

function mountsOf(owner: Owner): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return lines
    .map((line) => line.split(' ')[4]!)
    .filter((place) => below(place, owner.roots) && place !== owner.kept);
}

function processesOf(owner: Owner): Array<{ pid: number; command: string }> {
  const found: Array<{ pid: number; command: string }> = [];
  const ourMounts = readlinkSync('/proc/self/ns/mnt');
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const named = owner.roots.some((root) => command.includes(`${root}/`));
      if (named || livesIn(pid, owner, ourMounts)) found.push({ pid, command });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** True for a process whose root is a container's: its root mount names one of the owner's folders. */
function livesIn(pid: number, owner: Owner, ourMounts: string): boolean {
  if (readlinkSync(`/proc/${pid}/ns/mnt`) === ourMounts) return false;
  const root = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[4] === '/');
  return root !== undefined && owner.roots.some((folder) => root.includes(`${folder}/`));
}

function cgroupsOf(owner: Owner): string[] {
  if (owner.containers.size === 0) return [];
  const found: string[] = [];
  const walk = (folder: string, depth: number) => {
    for (const entry of existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []) {
      if (!entry.isDirectory()) continue;
      const path = join(folder, entry.name);
      if ([...owner.containers].some((id) => entry.name.includes(id))) found.push(path);
      if (depth < 6) walk(path, depth + 1);
    }
  };
  walk('/sys/fs/cgroup', 0);
  return found;
}

function portsOf(owner: Owner): string[] {
  const folder = `/sys/class/net/${owner.bridge}/brif`;
  return existsSync(folder) ? readdirSync(folder) : [];
}
