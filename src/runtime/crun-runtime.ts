import { existsSync, rmSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import { becomeSubreaper, identify, isAlive, signalProcess } from '../kernel/processes.ts';
import { Hubs } from './attach/hubs.ts';
import type { Cgroup, CgroupLayout } from './cgroups/cgroup.ts';
import { readLayout } from './cgroups/layout.ts';
import { MoveAhead } from './cgroups/move-ahead.ts';
import { grantRealtime } from './cgroups/realtime.ts';
import type { CgroupStatistics } from './cgroups/statistics.ts';
import { reopenLogFile, resizeTerminal } from './conmon/control.ts';
import { Execs } from './conmon/execs.ts';
import { ExitWatch } from './conmon/exit-watch.ts';
import { launchMonitor, type MonitorSettings } from './conmon/launch.ts';
import { monitorOptions } from './conmon/monitor-options.ts';
import { bootId, type MonitorRecord, readRecord, writeRecord } from './conmon/monitor-record.ts';
import { OomWatch } from './conmon/oom-watch.ts';
import { Orphans } from './conmon/orphans.ts';
import { isRunning, type Tracked } from './conmon/tracked.ts';
import { type BundleNotes, Bundles } from './crun/bundles.ts';
import { openGate, waitsAtGate } from './crun/crun-state.ts';
import { createFailure } from './crun/failure.ts';
import { Remains } from './crun/remains.ts';
import { SeccompCache } from './crun/seccomp-cache.ts';
import { crunVersion, runCrun } from './crun/tool.ts';
import { withCgroup, withMonitor } from './ended.ts';
import { RuntimePaths } from './paths.ts';
import type {
  Adopted,
  AdoptRequest,
  Attachment,
  CreatedContainer,
  CreateRequest,
  ExecRequest,
  ProcessExit,
  Runtime,
  RuntimeFeatures,
  StartedExec,
} from './runtime.ts';
import { settles } from './settle.ts';
import type { OciResources, OciSpec } from './spec/oci-spec.ts';
import { noteScopeLimits } from './systemd-scope.ts';

/** How to find the programs and where to keep state. */
export interface RuntimeOptions {
  /** Directory for runtime state, on a file system that a reboot empties; shorter than 70 bytes. Made if missing. */
  readonly root: string;
  readonly crun?: string;
  readonly conmon?: string;
  /** systemd makes the cgroups: specs name a slice and a scope. */
  readonly systemdCgroup?: boolean;
  readonly log?: Logger;
}

const FREEZE_PATIENCE_MS = 10_000;
/** How long a daemon that starts waits for monitors of containers that have just ended. */
const MONITOR_PATIENCE_MS = 2000;

/**
 * A runtime over crun and conmon. Throws `unavailable` when one of the programs is missing, or when no cgroup
 * hierarchy is mounted (see `ensureHierarchies`, which the caller runs before).
 */
export function createRuntime(options: RuntimeOptions): Runtime {
  const find = (name: string, given: string | undefined): string => {
    const path = given ?? Bun.which(name);
    if (path && existsSync(path)) return path;
    throw new TareError('unavailable', `${name} is not installed; install the package ${name} and try again`);
  };
  const paths = new RuntimePaths(options.root);
  paths.makeDirectories();
  const settings = {
    conmon: find('conmon', options.conmon),
    crun: find('crun', options.crun),
    crunRoot: paths.crunRoot,
    temporary: paths.temporary,
    systemdCgroup: options.systemdCgroup ?? false,
  };
  // Orphans of monitors that were killed come to this process, and their exit codes with them.
  becomeSubreaper();
  return new CrunRuntime(settings, paths, readLayout(), options.log ?? silentLogger);
}

class CrunRuntime implements Runtime {
  readonly #settings: MonitorSettings;
  readonly #paths: RuntimePaths;
  readonly #layout: CgroupLayout;
  readonly #log: Logger;
  readonly #boot = bootId();
  readonly #seccomp: SeccompCache;
  readonly #containers = new Map<string, Tracked>();
  readonly #bundles: Bundles;
  readonly #hubs = new Hubs();
  readonly #exits: ExitWatch;
  readonly #ooms: OomWatch;
  readonly #orphans: Orphans;
  readonly #execs: Execs;
  readonly #listeners: Array<(exit: ProcessExit) => void> = [];
  readonly #lossListeners: Array<(id: string) => void> = [];
  readonly #oomListeners: Array<(id: string) => void> = [];
  readonly #remains: Remains;
  readonly #moveAhead: MoveAhead;
  #features: Promise<RuntimeFeatures> | undefined;

  constructor(
    programs: Omit<MonitorSettings, 'onStart'>,
    paths: RuntimePaths,
    layout: CgroupLayout,
    log: Logger,
  ) {
    const settings: MonitorSettings = {
      ...programs,
      onStart: (pid, exited) => this.#orphans.monitorStarted(pid, exited),
    };
    this.#settings = settings;
    this.#paths = paths;
    this.#layout = layout;
    this.#log = log;
    this.#moveAhead = new MoveAhead(layout);
    this.#seccomp = new SeccompCache(paths.seccomp, settings.crun);
    this.#bundles = new Bundles(this.#seccomp);
    this.#remains = new Remains(settings, paths, layout, log);
    this.#exits = new ExitWatch(
      (tracked, exit) => this.#report(tracked, exit),
      ({ record }) => {
        if (record.execId === undefined) for (const listener of this.#lossListeners) listener(record.id);
      },
    );
    this.#ooms = new OomWatch(this.#exits.inotify, (id) => {
      for (const listener of this.#oomListeners) listener(id);
    });
    this.#orphans = new Orphans((pid) => this.#exits.claim(pid));
    this.#execs = new Execs(settings, paths, this.#boot, this.#exits, this.#hubs);
    this.#exits.watchDirectory(paths.exits, (name) => {
      if (name === undefined) for (const tracked of this.#containers.values()) this.#exits.check(tracked);
      else {
        const tracked = this.#containers.get(name);
        if (tracked) this.#exits.check(tracked);
      }
    });
  }

  anticipate(): void {
    this.#moveAhead.begin();
  }

  writeBundle(bundle: string, spec: OciSpec): Promise<void> {
    return this.#bundles.write(bundle, spec);
  }

  async create(request: CreateRequest): Promise<CreatedContainer> {
    const notes = this.#bundles.take(request.bundle);
    const created = await this.#launch(request, notes);
    if (this.#bundles.check(notes, this.#paths.crunState(request.id))) return created;
    this.#log.warn('crun ignores compiled seccomp filters; it compiles the policy at every start', {});
    await this.delete(request.id);
    await this.writeBundle(request.bundle, notes.spec);
    return this.#launch(request, this.#bundles.take(request.bundle));
  }

  async #launch(request: CreateRequest, notes: BundleNotes): Promise<CreatedContainer> {
    const { id, bundle } = request;
    const exitFile = this.#paths.exitFile(id);
    rmSync(exitFile, { force: true });
    const { cgroupsPath, resources } = notes.spec.linux;
    grantRealtime(this.#layout, cgroupsPath ?? '', resources?.cpu);
    const monitor = launchMonitor(this.#settings, bundle, monitorOptions(request, this.#paths.exits), false);
    const message = await monitor.sync.next();
    monitor.sync.close();
    const complaint = monitor.complaint();
    const process = message && message.data > 0 ? identify(message.data) : undefined;
    const monitorProcess = identify(monitor.pid);
    if (!process || !monitorProcess) {
      await monitor.exited;
      await this.#remains.clear(id, bundle, cgroupsPath);
      throw createFailure(message?.message ?? complaint, notes.spec.process.args[0] ?? '');
    }
    const record: MonitorRecord = {
      id,
      bundle,
      process,
      monitor: monitorProcess,
      terminal: request.terminal,
      openStdin: request.openStdin,
      stdinOnce: request.stdinOnce,
      ...(request.logPath !== undefined && { logPath: request.logPath }),
      boot: this.#boot,
    };
    const tracked: Tracked = { record, directory: bundle, exitFile, exit: undefined, forgotten: false };
    this.#containers.set(id, tracked);
    this.#ooms.watch(tracked);
    writeRecord(this.#paths.monitorRecord(id), record);
    void monitor.exited.then(() => this.#exits.monitorEnded(tracked));
    return { pid: process.pid, monitorPid: monitor.pid };
  }

  async start(id: string): Promise<void> {
    const tracked = this.#tracked(id);
    if (openGate(this.#paths.crunState(id))) return;
    if (!isRunning(tracked))
      throw new TareError('not-found', `container ${id} has ended before it was started`);
    const { exitCode, stderr } = await runCrun(this.#settings.crun, this.#settings.crunRoot, ['start', id]);
    if (exitCode !== 0)
      throw createFailure(stderr, this.#bundles.take(tracked.record.bundle).spec.process.args[0] ?? '');
  }

  async signal(id: string, signal: number, all = false): Promise<void> {
    const tracked = this.#tracked(id);
    if (all) this.#remains.cgroup(id)?.signal(signal);
    if (!signalProcess(tracked.record.process, signal) && !all) {
      throw new TareError('not-found', `container ${id} is not running`);
    }
  }

  async pause(id: string): Promise<void> {
    await this.#setFrozen(id, true);
  }

  async resume(id: string): Promise<void> {
    await this.#setFrozen(id, false);
  }

  async #setFrozen(id: string, frozen: boolean): Promise<void> {
    this.#tracked(id);
    const cgroup = this.#remains.cgroup(id);
    const done = withCgroup(() => cgroup?.setFrozen(frozen), id);
    if (!cgroup || !done) {
      throw new TareError('not-implemented', 'this machine has no cgroup freezer mounted');
    }
    const wanted = frozen ? 'frozen' : 'thawed';
    if (await settles(() => cgroup.frozenState() === wanted, FREEZE_PATIENCE_MS)) return;
    if (frozen) cgroup.setFrozen(false);
    throw new TareError(
      'timeout',
      `container ${id} could not be ${wanted} within ${FREEZE_PATIENCE_MS / 1000} s`,
    );
  }

  async pids(id: string): Promise<number[]> {
    this.#tracked(id);
    return this.#remains.cgroup(id)?.pids() ?? [];
  }

  statistics(id: string): CgroupStatistics {
    return this.#livingCgroup(id).statistics();
  }

  setLimits(id: string, limits: OciResources): void {
    const cgroup = this.#livingCgroup(id);
    cgroup.setLimits(limits);
    noteScopeLimits(cgroup.path, limits, this.#log);
  }

  #livingCgroup(id: string): Cgroup {
    const cgroup = isRunning(this.#tracked(id)) ? this.#remains.cgroup(id) : undefined;
    if (!cgroup) throw new TareError('not-found', `container ${id} is not running`);
    return cgroup;
  }

  async exec(request: ExecRequest): Promise<StartedExec> {
    const tracked = this.#tracked(request.id);
    if (!isRunning(tracked)) throw new TareError('conflict', `container ${request.id} is not running`);
    return this.#execs.start(request, `/proc/${tracked.record.process.pid}/root`);
  }

  killExec(_id: string, execId: string): void {
    this.#execs.kill(execId);
  }

  async attach(id: string, execId?: string): Promise<Attachment> {
    return this.#hubs.attach(execId === undefined ? this.#tracked(id) : this.#execs.get(execId));
  }

  async resize(id: string, execId: string | undefined, height: number, width: number): Promise<void> {
    const tracked = execId === undefined ? this.#tracked(id) : this.#execs.get(execId);
    if (!tracked.record.terminal) return;
    withMonitor(tracked, () => resizeTerminal(tracked.directory, height, width));
  }

  async reopenLog(id: string): Promise<void> {
    const tracked = this.#tracked(id);
    withMonitor(tracked, () => reopenLogFile(tracked.directory));
  }

  onExit(listener: (exit: ProcessExit) => void): void {
    this.#listeners.push(listener);
  }

  onMonitorLost(listener: (id: string) => void): void {
    this.#lossListeners.push(listener);
  }

  onOutOfMemory(listener: (id: string) => void): void {
    this.#oomListeners.push(listener);
  }

  #report(tracked: Tracked, exit: ProcessExit): void {
    let reported = exit;
    if (exit.execId === undefined) {
      reported = { ...exit, oomKilled: this.#remains.oomKilled(tracked) };
      tracked.exit = reported;
    }
    for (const listener of this.#listeners) listener(reported);
  }

  async delete(id: string): Promise<void> {
    const tracked = this.#containers.get(id) ?? this.#recorded(id);
    this.#containers.delete(id);
    this.#ooms.forget(id);
    if (tracked) {
      tracked.forgotten = true;
      await this.#remains.kill(id, tracked.record.process, tracked.record.monitor);
    } else {
      await this.#remains.killUnrecorded(id);
    }
    await this.#execs.forget(id);
    await this.#remains.clear(id, tracked?.record.bundle);
  }

  async adopt(request: AdoptRequest): Promise<Adopted> {
    const { id } = request;
    const known = this.#containers.get(id);
    const tracked = known ?? this.#recorded(id);
    if (!tracked) return { state: 'gone' };
    this.#containers.set(id, tracked);
    this.#execs.adopt(id);
    const { record } = tracked;
    if (!this.#ended(tracked) && !isAlive(record.process)) {
      // The monitor may be about to write the exit file. While it lives it may be slow (a busy disk holds its rename
      // up): then the container counts as running until the file comes. Only without a monitor is the code lost.
      await settles(() => this.#ended(tracked) || !isAlive(record.monitor), MONITOR_PATIENCE_MS);
      if (!this.#ended(tracked) && !isAlive(record.monitor)) this.#exits.monitorEnded(tracked);
    }
    if (tracked.exit) return { state: 'ended', exit: tracked.exit };
    if (!known) {
      this.#exits.watchAdopted(tracked);
      this.#ooms.watch(tracked);
    }
    // A daemon that died between a rotation's rename and the reopening left the monitor at the renamed file.
    if (record.logPath !== undefined && !existsSync(record.logPath)) await this.reopenLog(id);
    const state = waitsAtGate(this.#paths.crunState(id), record.process.pid)
      ? 'created'
      : this.#remains.cgroup(id)?.frozenState() === 'frozen'
        ? 'paused'
        : 'running';
    return { state, pid: record.process.pid, monitorPid: record.monitor.pid };
  }

  #ended(tracked: Tracked): boolean {
    return tracked.exit !== undefined || this.#exits.check(tracked);
  }

  features(): Promise<RuntimeFeatures> {
    this.#features ??= crunVersion(this.#settings.crun).then((version) => ({
      name: 'crun',
      version,
      cgroupVersion: this.#layout.version,
      seccompAnnotation: this.#seccomp.honoured !== false,
    }));
    return this.#features;
  }

  async close(): Promise<void> {
    this.#hubs.close();
    this.#exits.close();
    this.#execs.close();
    this.#orphans.close();
    this.#remains.removeEmptyParents();
  }

  #tracked(id: string): Tracked {
    const tracked = this.#containers.get(id);
    if (!tracked) throw new TareError('not-found', `container ${id} is not running`);
    return tracked;
  }

  #recorded(id: string): Tracked | undefined {
    const record = readRecord(this.#paths.monitorRecord(id), this.#boot);
    if (!record) return undefined;
    return {
      record,
      directory: record.bundle,
      exitFile: this.#paths.exitFile(id),
      exit: undefined,
      forgotten: false,
    };
  }
}
