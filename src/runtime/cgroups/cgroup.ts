import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../kernel/errno.ts';
import type { OciResources } from '../spec/oci-spec.ts';
import { applySettings } from './apply.ts';
import { readNumber } from './files.ts';
import { grantRealtime } from './realtime.ts';
import { settingsV1 } from './settings-v1.ts';
import { settingsV2 } from './settings-v2.ts';
import type { CgroupStatistics } from './statistics.ts';
import { readStatisticsV1 } from './statistics-v1.ts';
import { readStatisticsV2 } from './statistics-v2.ts';

/** How the machine's cgroups are laid out below /sys/fs/cgroup (cgroups(7)). */
export interface CgroupLayout {
  readonly version: 1 | 2;
  /** Directories of all hierarchies a container has a cgroup in. v2: one. v1: one per mounted hierarchy. */
  readonly hierarchies: readonly string[];
  /** Directory of the hierarchy that knows all processes of a container. */
  readonly processes: string;
  /** v1: directory of a controller's hierarchy; v2: the one directory. Undefined when it is not mounted. */
  controller(name: string): string | undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** One container's cgroup, at `path` (with a leading slash) in every hierarchy. */
export class Cgroup {
  readonly #layout: CgroupLayout;
  readonly #path: string;

  constructor(layout: CgroupLayout, path: string) {
    // A container without a cgroup of its own must never stand for the root, which holds every process.
    if (!/^\/[^/]/.test(path) || path.includes('..')) throw new Error(`not a container's cgroup: "${path}"`);
    this.#layout = layout;
    this.#path = path;
  }

  /** Its path below each hierarchy. */
  get path(): string {
    return this.#path;
  }

  /** Pids of all processes in it and below, as the host sees them. */
  pids(): number[] {
    const result: number[] = [];
    const visit = (directory: string): void => {
      const text = readText(join(directory, 'cgroup.procs'));
      if (text === undefined) return;
      for (const line of text.split('\n')) if (line !== '') result.push(Number(line));
      for (const child of subdirectories(directory)) visit(join(directory, child));
    };
    visit(join(this.#layout.processes, this.#path));
    return result;
  }

  /** What it has used so far; parts are undefined when it is gone. */
  statistics(): CgroupStatistics {
    return this.#layout.version === 2
      ? readStatisticsV2(join(this.#layout.processes, this.#path))
      : readStatisticsV1(this.#layout, this.#path);
  }

  /** Changes the limits that are named, and no others. Throws as `applySettings` does; then nothing has changed. */
  setLimits(limits: OciResources): void {
    const directory = (controller: string): string | undefined => {
      const base = this.#layout.controller(controller);
      return base === undefined ? undefined : join(base, this.#path);
    };
    const has = (controller: string, file: string): boolean => {
      const base = directory(controller);
      return base !== undefined && existsSync(join(base, file));
    };
    if (this.#layout.version === 1) {
      grantRealtime(this.#layout, this.#path, limits.cpu);
      const memory = readNumber(join(directory('memory') ?? '', 'memory.limit_in_bytes'));
      applySettings(directory, settingsV1(limits, { memory, has }));
      return;
    }
    const [quota, period] = (readText(join(directory('cpu') ?? '', 'cpu.max')) ?? '')
      .trim()
      .split(' ')
      .map(Number);
    const present = {
      cpuPeriod: period || 100_000,
      cpuQuota: quota || undefined,
      has: (file: string) => has('', file),
    };
    applySettings(directory, settingsV2(limits, present));
  }

  /** Sends a signal to all its processes; those that have just ended are passed over. */
  signal(signal: number): void {
    for (const pid of this.pids()) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended.
      }
    }
  }

  /** Asks for all processes to be frozen or thawed. Returns false when the machine has no freezer. */
  setFrozen(frozen: boolean): boolean {
    const base = this.#layout.controller('freezer');
    if (base === undefined) return false;
    const directory = join(base, this.#path);
    if (this.#layout.version === 2) writeFileSync(join(directory, 'cgroup.freeze'), frozen ? '1' : '0');
    else writeFileSync(join(directory, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED');
    return true;
  }

  /** `freezing` while some process is not frozen yet; undefined when there is no such cgroup. */
  frozenState(): 'frozen' | 'freezing' | 'thawed' | undefined {
    const base = this.#layout.controller('freezer');
    if (base === undefined) return undefined;
    const directory = join(base, this.#path);
    if (this.#layout.version === 1) {
      const state = readText(join(directory, 'freezer.state'))?.trim();
      return state === undefined ? undefined : (state.toLowerCase() as 'frozen' | 'freezing' | 'thawed');
    }
    const wanted = readText(join(directory, 'cgroup.freeze'))?.trim();
    if (wanted === undefined) return undefined;
    if (wanted !== '1') return 'thawed';
    return /^frozen 1$/m.test(readText(join(directory, 'cgroup.events')) ?? '') ? 'frozen' : 'freezing';
  }

  /** Processes killed for lack of memory so far; undefined when the cgroup is gone already. */
  oomKills(): number | undefined {
    const base = this.#layout.controller('memory');
    if (base === undefined) return 0;
    const file = this.#layout.version === 2 ? 'memory.events' : 'memory.oom_control';
    const text = readText(join(base, this.#path, file));
    if (text === undefined) return undefined;
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  /** Removes it where nothing is in it. */
  removeIfEmpty(): void {
    for (const hierarchy of this.#layout.hierarchies) {
      try {
        rmdirSync(join(hierarchy, this.#path));
      } catch {
        // Containers are in it, or it was never there.
      }
    }
  }

  /** Removes it and what is below it from every hierarchy. Returns false when a process is still in one. */
  remove(): boolean {
    let removed = true;
    for (const hierarchy of this.#layout.hierarchies) {
      if (!removeTree(join(hierarchy, this.#path))) removed = false;
    }
    return removed;
  }
}

function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function removeTree(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return true;
    // EBUSY is a process or a child; children go first.
    const children = subdirectories(directory);
    if (children.length === 0) return false;
    if (!children.map((child) => removeTree(join(directory, child))).every((done) => done)) return false;
  }
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}
