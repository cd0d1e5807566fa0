/**
 * What a machine looks like from outside: the things an engine makes and must take away again. Two pictures,
 * from before and after, tell what was left behind.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'bun';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks since boot: with the pid it names one process for good. */
  readonly start: number;
  readonly command: string;
}

export interface MachineState {
  /** `TYPE SOURCE on PLACE`, several alike numbered. */
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly namespaces: readonly string[];
  readonly nftTables: readonly string[];
  readonly iptables: readonly string[];
  readonly cgroups: readonly string[];
  readonly loopDevices: readonly string[];
  readonly processes: ReadonlyMap<number, Process>;
}

export interface Leftovers {
  /** What is there now and was not before, in words. */
  readonly faults: string[];
  /** What may stay: cgroup hierarchies that were not mounted. */
  readonly kept: string[];
}

/** Takes the picture: some 20 ms, nothing is changed. */
export function machineState(): MachineState {
  return {
    mounts: numbered(mountLines()),
    links: list('/sys/class/net'),
    namespaces: list('/run/netns'),
    nftTables: lines('nft', 'list', 'tables'),
    iptables: [...rules('iptables'), ...rules('ip6tables')],
    cgroups: cgroups(),
    loopDevices: lines('losetup', '--noheadings', '--output', 'NAME,BACK-FILE'),
    processes: processes(),
  };
}

/** Compares two pictures. */
export function leftovers(before: MachineState, after: MachineState): Leftovers {
  const faults: string[] = [];
  const kept: string[] = [];
  const fresh = (a: readonly string[], b: readonly string[]) => {
    const known = new Set(a);
    return b.filter((item) => !known.has(item));
  };
  const hierarchies: string[] = [];
  for (const mount of fresh(before.mounts, after.mounts)) {
    const place = /^cgroup2? \S+ on (\S+)/.exec(mount)?.[1];
    if (place === undefined) faults.push(`mount: ${mount}`);
    else {
      kept.push(`cgroup hierarchy: ${mount}`);
      hierarchies.push(`${place}/`);
    }
  }
  // Groups of a hierarchy that was not mounted could not be seen before.
  const visible = (path: string) => !hierarchies.some((root) => `${path}/`.startsWith(root));
  for (const link of fresh(before.links, after.links)) faults.push(`network interface: ${link}`);
  for (const name of fresh(before.namespaces, after.namespaces)) faults.push(`network namespace: ${name}`);
  for (const table of fresh(before.nftTables, after.nftTables)) faults.push(`nftables: ${table}`);
  for (const rule of fresh(before.iptables, after.iptables)) faults.push(`iptables rule: ${rule}`);
  for (const rule of fresh(after.iptables, before.iptables)) faults.push(`iptables rule is gone: ${rule}`);
  for (const group of fresh(before.cgroups, after.cgroups))
    if (visible(group)) faults.push(`cgroup: ${group}`);
  for (const loop of fresh(before.loopDevices, after.loopDevices)) faults.push(`loop device: ${loop}`);
  for (const process of strays(before.processes, after.processes)) {
    faults.push(`process: ${process.pid} ${process.command.slice(0, 200)}`);
  }
  return { faults, kept };
}

/** Takes pictures until nothing is left, or `patience` milliseconds have passed: what ends takes a moment to go. */
export async function settledLeftovers(before: MachineState, patience = 10_000): Promise<Leftovers> {
  const end = Date.now() + patience;
  for (;;) {
    const result = leftovers(before, machineState());
    if (result.faults.length === 0 || Date.now() > end) return result;
    await Bun.sleep(250);
  }
}

/** New processes whose nearest ancestor from before is init or one of this process's own ancestors: ours. */
function strays(before: ReadonlyMap<number, Process>, after: ReadonlyMap<number, Process>): Process[] {
  const old = (process: Process) => before.get(process.pid)?.start === process.start;
  const own = new Set([1]);
  for (let pid = process.pid; pid > 1; pid = after.get(pid)?.parent ?? 0) own.add(pid);
  return [...after.values()].filter((process) => {
    if (old(process) || own.has(process.pid)) return false;
    let ancestor = after.get(process.parent);
    while (ancestor !== undefined && !old(ancestor)) ancestor = after.get(ancestor.parent);
    return ancestor === undefined || own.has(ancestor.pid);
  });
}

function mountLines(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [left = '', right = ''] = line.split(' - ');
      const [type, source] = right.split(' ');
      return `${type} ${source} on ${left.split(' ')[4]}`;
    });
}

function cgroups(): string[] {
  const roots = mountLines().flatMap((line) => /^cgroup2? \S+ on (\S+)/.exec(line)?.[1] ?? []);
  const managed = list('/run/systemd/system').length > 0;
  const found: string[] = [];
  const walk = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      // A service manager makes and removes groups of its own as it goes.
      if (!entry.isDirectory() || (managed && /\.(service|slice|scope|mount|socket)$/.test(entry.name)))
        continue;
      const path = join(folder, entry.name);
      found.push(path);
      try {
        walk(path);
      } catch {
        // It went away while we looked.
      }
    }
  };
  for (const root of new Set(roots)) walk(root);
  return found.sort();
}

function processes(): Map<number, Process> {
  const found = new Map<number, Process>();
  for (const name of list('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      // Field 2 is the name in parentheses and may hold anything; fields count from behind it.
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (fields[1] === '2' || name === '2') continue; // kernel threads
      if (fields[0] === 'Z' && Number(fields[1]) === process.pid) continue;
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      found.set(pid, {
        pid,
        parent: Number(fields[1]),
        start: Number(fields[19]),
        command: command || `[${fields[0]}] ${executable(pid)}`,
      });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

function executable(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return '(ended, not reaped)';
  }
}

function rules(family: 'iptables' | 'ip6tables'): string[] {
  const found: string[] = [];
  for (const kind of ['nft', 'legacy']) {
    // Asking the legacy program where its module isn't loaded would load it.
    if (kind === 'legacy' && list(`/proc/net`).every((name) => name !== names(family))) continue;
    let table = '';
    for (const line of lines(`${family}-${kind}-save`)) {
      if (line.startsWith('*')) table = line.slice(1);
      else if (/^[:-]/.test(line))
        found.push(`${family}-${kind} ${table} ${line.replace(/\s*\[\d+:\d+\]/, '')}`);
    }
  }
  return found;
}

const names = (family: 'iptables' | 'ip6tables') =>
  family === 'iptables' ? 'ip_tables_names' : 'ip6_tables_names';

function lines(...argv: string[]): string[] {
  if (Bun.which(argv[0]!) === null) return [];
  const { stdout } = spawnSync(argv, { stdin: 'ignore', stderr: 'ignore' });
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '');
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function numbered(items: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return items.map((item) => {
    const count = (seen.get(item) ?? 0) + 1;
    seen.set(item, count);
    return count === 1 ? item : `${item} (${count})`;
  });
}
