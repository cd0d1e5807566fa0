import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { isAlive, type ProcessIdentity, signalProcess } from '../../kernel/processes.ts';
import { Cgroup, type CgroupLayout } from '../cgroups/cgroup.ts';
import { oomKillLogged } from '../cgroups/oom-log.ts';
import { findMonitor } from '../conmon/find-monitor.ts';
import type { MonitorSettings } from '../conmon/launch.ts';
import type { Tracked } from '../conmon/tracked.ts';
import type { RuntimePaths } from '../paths.ts';
import { removeDirectory, unlinkIfThere } from '../remove-directory.ts';
import { settles } from '../settle.ts';
import { type CrunStatus, readCrunStatus } from './crun-state.ts';
import { runCrun } from './tool.ts';

const SIGKILL = 9;
/** How long `kill` waits for what it killed. */
const KILL_PATIENCE_MS = 10_000;
const EMPTY_PATIENCE_MS = 2000;
/** Files that conmon and crun make in a bundle. */
const BUNDLE_FILES = ['config.json', 'pidfile', 'attach', 'ctl', 'winsz', 'oom'];

/**
 * Ends containers and clears away what they leave: what `crun delete --force` does, without the process (8 ms),
 * which is only the last resort. Everything is idempotent and may begin at any half-way point of an earlier try.
 */
export class Remains {
  readonly #settings: MonitorSettings;
  readonly #paths: RuntimePaths;
  readonly #layout: CgroupLayout;
  readonly #log: Logger;
  /** Where containers' cgroups were. */
  readonly #parents = new Set<string>();

  constructor(settings: MonitorSettings, paths: RuntimePaths, layout: CgroupLayout, log: Logger) {
    this.#settings = settings;
    this.#paths = paths;
    this.#layout = layout;
    this.#log = log;
  }

  /** A container's cgroup, or undefined when crun does not know the container. */
  cgroup(id: string): Cgroup | undefined {
    const status = readCrunStatus(this.#paths.crunState(id));
    if (!status?.cgroupPath) return undefined;
    const parent = dirname(status.cgroupPath);
    if (parent !== '/') this.#parents.add(parent);
    return new Cgroup(this.#layout, status.cgroupPath);
  }

  /** Whether the kernel killed a process of a container, which has just ended, for lack of memory. */
  oomKilled({ record, directory }: Tracked): boolean {
    const cgroup = this.cgroup(record.id);
    const kills = cgroup?.oomKills();
    if (kills !== undefined && kills > 0) return true;
    if (existsSync(join(directory, 'oom'))) return true;
    return cgroup !== undefined && kills === undefined && oomKillLogged(cgroup.path, record.process);
  }

  /** Ends the first process and with it everything in its pid namespace. Throws when it does not end. */
  async kill(id: string, process: ProcessIdentity, monitor: ProcessIdentity | undefined): Promise<void> {
    if (!isAlive(process)) {
      // Its monitor may still be about to say so.
      if (monitor && !existsSync(this.#paths.exitFile(id))) await this.#monitorGone(monitor);
      return;
    }
    signalProcess(process, SIGKILL);
    this.#thaw(id);
    if (!(await settles(() => !isAlive(process), KILL_PATIENCE_MS))) {
      throw new TareError('internal', `process ${process.pid} of container ${id} did not end on SIGKILL`);
    }
    if (monitor) await this.#monitorGone(monitor);
  }

  /** A monitor writes the exit file last; it must not appear after it was cleared away. */
  async #monitorGone(monitor: ProcessIdentity): Promise<void> {
    await settles(() => !isAlive(monitor), KILL_PATIENCE_MS);
  }

  /**
   * The same for a container of which nothing was recorded: the last daemon died while it was being made. Its
   * monitor may still be at it, so that there is nothing to kill yet.
   */
  async killUnrecorded(id: string): Promise<void> {
    const status = (): CrunStatus | undefined => readCrunStatus(this.#paths.crunState(id));
    const monitor = findMonitor(this.#settings.crunRoot, id);
    if (monitor && !(await settles(() => !!status() || !isAlive(monitor), KILL_PATIENCE_MS))) {
      signalProcess(monitor, SIGKILL);
    }
    const process = status();
    if (process) await this.kill(id, process, monitor);
  }

  /** A frozen process takes SIGKILL only when it is thawed (cgroup v1). */
  #thaw(id: string): void {
    try {
      const cgroup = this.cgroup(id);
      if (cgroup && cgroup.frozenState() !== 'thawed') cgroup.setFrozen(false);
    } catch {
      // Gone meanwhile.
    }
  }

  /**
   * Removes everything that a dead container left. `cgroupsPath`: of one that crun could not make: it forgets the
   * container and leaves the cgroups when a limit cannot be written.
   */
  async clear(id: string, bundle: string | undefined, cgroupsPath = ''): Promise<void> {
    const made = cgroupsPath.endsWith(`/${id}`) ? new Cgroup(this.#layout, cgroupsPath) : undefined;
    const cgroup = this.cgroup(id) ?? made;
    if (cgroup && !cgroup.remove() && !(await empty(cgroup))) {
      const { crun, crunRoot } = this.#settings;
      const { stderr } = await runCrun(crun, crunRoot, ['delete', '--force', id]);
      if (!cgroup.remove()) this.#log.warn('a cgroup could not be removed', { container: id, crun: stderr });
    }
    removeDirectory(this.#paths.crunState(id));
    // In this order: a record without its exit file would read as an end that nobody saw.
    unlinkIfThere(this.#paths.monitorRecord(id));
    unlinkIfThere(this.#paths.exitFile(id));
    if (bundle !== undefined) for (const name of BUNDLE_FILES) unlinkIfThere(join(bundle, name));
  }

  /**
   * Removes the parents of containers' cgroups where nothing is left in them. Not while containers are made: crun
   * makes a parent and then the child, and must not lose the one before the other.
   */
  removeEmptyParents(): void {
    for (const parent of this.#parents) new Cgroup(this.#layout, parent).removeIfEmpty();
  }
}

/** Kills what outlived the first process (it shared the host's pid namespace) until the cgroup can be removed. */
function empty(cgroup: Cgroup): Promise<boolean> {
  return settles(() => {
    cgroup.signal(SIGKILL);
    return cgroup.remove();
  }, EMPTY_PATIENCE_MS);
}
