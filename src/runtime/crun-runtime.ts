import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TareError } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import { SyscallError } from '../kernel/errno.ts';
import { becomeSubreaper, identify, isAlive, signalProcess } from '../kernel/processes.ts';
import { Hubs } from './attach/hubs.ts';
import { Cgroup, type CgroupLayout } from './cgroups/cgroup.ts';
import { readLayout } from './cgroups/layout.ts';
import { reopenLogFile, resizeTerminal } from './conmon/control.ts';
import { Execs } from './conmon/execs.ts';
import { ExitWatch } from './conmon/exit-watch.ts';
import { launchMonitor, type MonitorSettings } from './conmon/launch.ts';
import { bootId, type MonitorRecord, readRecord, writeRecord } from './conmon/monitor-record.ts';
import { Orphans } from './conmon/orphans.ts';
import { isRunning, type Tracked } from './conmon/tracked.ts';
import { openGate, readCrunStatus, removeCrunState } from './crun/crun-state.ts';
import { createFailure } from './crun/failure.ts';
import { SeccompCache } from './crun/seccomp-cache.ts';
import { crunVersion, runCrun } from './crun/tool.ts';
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
import { encodeSpec } from './spec/encode.ts';
import type { OciSpec } from './spec/oci-spec.ts';

/** How to find the programs and where to keep state. */
export interface RuntimeOptions {
  /** Directory for runtime state, on a file system that a reboot empties; shorter than 70 bytes. Made if missing. */
  readonly root: string;
  readonly crun?: string;
  readonly conmon?: string;
  readonly log?: Logger;
}

/** What `writeBundle` knows that `create` wants. */
interface BundleNotes {
  readonly program: string;
  readonly spec: OciSpec;
  /** Key of the seccomp policy. */
  readonly policy: string | undefined;
  /** The compiled filter was put in place of the policy. */
  readonly compiled: boolean;
}

const SIGKILL = 9;
/** How long `delete` waits for what it killed. */
const KILL_PATIENCE_MS = 10_000;
const FREEZE_PATIENCE_MS = 10_000;
/** Files that conmon and crun make in a bundle. */
const BUNDLE_FILES = ['config.json', 'pidfile', 'attach', 'ctl', 'winsz', 'oom'];

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
  readonly #notes = new Map<string, BundleNotes>();
  readonly #hubs = new Hubs();
  readonly #exits: ExitWatch;
  readonly #orphans: Orphans;
  readonly #execs: Execs;
  readonly #listeners: Array<(exit: ProcessExit) => void> = [];
  /** Where containers' cgroups were; taken away in the end when nothing is left in them. */
  readonly #cgroupParents = new Set<string>();
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
    this.#seccomp = new SeccompCache(paths.seccomp, settings.crun);
    this.#exits = new ExitWatch((tracked, exit) => this.#report(tracked, exit));
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

  async writeBundle(bundle: string, spec: OciSpec): Promise<void> {
    await mkdir(bundle, { recursive: true, mode: 0o700 });
    const { seccomp } = spec.linux;
    const compiled = this.#seccomp.compiled(spec);
    this.#notes.set(bundle, {
      program: spec.process.args[0] ?? '',
      spec,
      policy: seccomp && this.#seccomp.key(seccomp),
      compiled: compiled !== undefined,
    });
    await writeFile(join(bundle, 'config.json'), encodeSpec(compiled ?? spec), { mode: 0o600 });
  }

  async create(request: CreateRequest): Promise<CreatedContainer> {
    const notes = this.#notes.get(request.bundle);
    this.#notes.delete(request.bundle);
    const created = await this.#launch(request, notes);
    const state = this.#paths.crunState(request.id);
    if (!notes?.policy) return created;
    if (!notes.compiled) {
      this.#seccomp.harvest(notes.policy, state);
      return created;
    }
    if (this.#seccomp.verify(notes.policy, state)) return created;
    this.#log.warn('crun ignores compiled seccomp filters; it compiles the policy at every start', {});
    await this.delete(request.id);
    await this.writeBundle(request.bundle, notes.spec);
    this.#notes.delete(request.bundle);
    return this.#launch(request, notes);
  }

  async #launch(request: CreateRequest, notes: BundleNotes | undefined): Promise<CreatedContainer> {
    const { id, bundle } = request;
    const exitFile = this.#paths.exitFile(id);
    removeFile(exitFile);
    const monitor = launchMonitor(this.#settings, bundle, this.#monitorOptions(request), false);
    const message = await monitor.sync.next();
    monitor.sync.close();
    const complaint = monitor.complaint();
    const process = message && message.data > 0 ? identify(message.data) : undefined;
    const monitorProcess = identify(monitor.pid);
    if (!process || !monitorProcess) {
      await monitor.exited;
      await this.#clear(id, bundle);
      throw createFailure(message?.message ?? complaint, notes?.program ?? programOf(bundle));
    }
    const record: MonitorRecord = {
      id,
      bundle,
      process,
      monitor: monitorProcess,
      terminal: request.terminal,
      openStdin: request.openStdin,
      stdinOnce: request.stdinOnce,
      boot: this.#boot,
    };
    const tracked: Tracked = { record, directory: bundle, exitFile, exit: undefined, forgotten: false };
    this.#containers.set(id, tracked);
    writeRecord(this.#paths.monitorRecord(id), record);
    void monitor.exited.then(() => this.#exits.monitorEnded(tracked));
    return { pid: process.pid, monitorPid: monitor.pid };
  }

  #monitorOptions(request: CreateRequest): string[] {
    const { id, bundle, logPath } = request;
    if (logPath?.includes(':')) {
      throw new TareError(
        'invalid',
        `the log's path must not contain a colon (conmon splits there): ${logPath}`,
      );
    }
    const options = ['-c', id, '-u', id, '-n', id, '-b', bundle, '-p', join(bundle, 'pidfile')];
    options.push(
      '--exit-dir',
      this.#paths.exits,
      '-l',
      logPath === undefined ? 'none' : `k8s-file:${logPath}`,
    );
    if (logPath !== undefined && request.logMaxSize > 0) {
      options.push('--log-size-max', String(request.logMaxSize));
    }
    if (request.terminal) options.push('-t');
    if (request.openStdin) options.push('-i');
    // Without it conmon ends stdin when any client disconnects; see StdioHub.
    if (request.terminal || !request.stdinOnce) options.push('--leave-stdin-open');
    return options;
  }

  async start(id: string): Promise<void> {
    const tracked = this.#tracked(id);
    if (openGate(this.#paths.crunState(id))) return;
    if (!isRunning(tracked))
      throw new TareError('not-found', `container ${id} has ended before it was started`);
    const { exitCode, stderr } = await runCrun(this.#settings.crun, this.#settings.crunRoot, ['start', id]);
    if (exitCode !== 0) throw createFailure(stderr, programOf(tracked.record.bundle));
  }

  async signal(id: string, signal: number, all = false): Promise<void> {
    const tracked = this.#tracked(id);
    if (all) for (const pid of this.#cgroup(id)?.pids() ?? []) sendTo(pid, signal);
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
    const cgroup = this.#cgroup(id);
    if (!cgroup?.setFrozen(frozen)) {
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
    return this.#cgroup(id)?.pids() ?? [];
  }

  async exec(request: ExecRequest): Promise<StartedExec> {
    const tracked = this.#tracked(request.id);
    if (!isRunning(tracked)) throw new TareError('conflict', `container ${request.id} is not running`);
    return this.#execs.start(request, `/proc/${tracked.record.process.pid}/root`);
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

  #report(tracked: Tracked, exit: ProcessExit): void {
    let reported = exit;
    if (exit.execId === undefined) {
      const kills = this.#cgroup(exit.id)?.oomKills() ?? 0;
      reported = { ...exit, oomKilled: kills > 0 || existsSync(join(tracked.directory, 'oom')) };
      tracked.exit = reported;
    }
    for (const listener of this.#listeners) listener(reported);
  }

  async delete(id: string): Promise<void> {
    const tracked = this.#containers.get(id) ?? this.#recorded(id);
    this.#containers.delete(id);
    if (tracked) tracked.forgotten = true;
    const status = readCrunStatus(this.#paths.crunState(id));
    const process = tracked?.record.process ?? status;
    if (process && isAlive(process)) await this.#kill(id, process, tracked);
    await this.#execs.forget(id);
    await this.#clear(id, tracked?.record.bundle);
  }

  /** Ends the first process and with it everything in its pid namespace. */
  async #kill(
    id: string,
    process: { pid: number; startTime: number },
    tracked: Tracked | undefined,
  ): Promise<void> {
    signalProcess(process, SIGKILL);
    this.#thaw(id);
    if (!(await settles(() => !isAlive(process), KILL_PATIENCE_MS))) {
      throw new TareError('internal', `process ${process.pid} of container ${id} did not end on SIGKILL`);
    }
    // The monitor writes the exit file last; it must not appear after it was cleared away.
    const monitor = tracked?.record.monitor;
    if (monitor) await settles(() => !isAlive(monitor), KILL_PATIENCE_MS);
  }

  #thaw(id: string): void {
    try {
      const cgroup = this.#cgroup(id);
      if (cgroup && cgroup.frozenState() !== 'thawed') cgroup.setFrozen(false);
    } catch {
      // Gone meanwhile.
    }
  }

  /** Removes everything that a dead container left. */
  async #clear(id: string, bundle: string | undefined): Promise<void> {
    const state = this.#paths.crunState(id);
    const cgroup = this.#cgroup(id);
    if (cgroup && !cgroup.remove() && !(await this.#emptyCgroup(cgroup))) {
      const { stderr } = await runCrun(this.#settings.crun, this.#settings.crunRoot, [
        'delete',
        '--force',
        id,
      ]);
      if (!cgroup.remove()) this.#log.warn('a cgroup could not be removed', { container: id, crun: stderr });
    }
    await removeCrunState(state);
    removeFile(this.#paths.exitFile(id));
    removeFile(this.#paths.monitorRecord(id));
    if (bundle !== undefined) for (const name of BUNDLE_FILES) removeFile(join(bundle, name));
  }

  /** Kills what outlived the first process (it shared the host's pid namespace) until the cgroup can be removed. */
  async #emptyCgroup(cgroup: Cgroup): Promise<boolean> {
    return settles(() => {
      for (const pid of cgroup.pids()) sendTo(pid, SIGKILL);
      return cgroup.remove();
    }, 2000);
  }

  async adopt(request: AdoptRequest): Promise<Adopted> {
    const { id } = request;
    const known = this.#containers.get(id);
    const tracked = known ?? this.#recorded(id);
    if (!tracked) return { state: 'gone' };
    this.#containers.set(id, tracked);
    await this.#execs.adopt(id);
    const { record } = tracked;
    if (!this.#ended(tracked) && !isAlive(record.process)) {
      // The monitor may be about to write the exit file.
      await settles(() => this.#ended(tracked) || !isAlive(record.monitor), 2000);
      if (!this.#ended(tracked)) this.#exits.monitorEnded(tracked);
    }
    if (tracked.exit) return { state: 'ended', exit: tracked.exit };
    if (!known) this.#exits.watchAdopted(tracked);
    const state = existsSync(join(this.#paths.crunState(id), 'exec.fifo'))
      ? 'created'
      : this.#cgroup(id)?.frozenState() === 'frozen'
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
    // Only here: crun makes a parent and then the child, and must not lose the one before the other.
    for (const parent of this.#cgroupParents) new Cgroup(this.#layout, parent).removeIfEmpty();
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

  #cgroup(id: string): Cgroup | undefined {
    const status = readCrunStatus(this.#paths.crunState(id));
    if (!status?.cgroupPath) return undefined;
    const parent = dirname(status.cgroupPath);
    if (parent !== '/') this.#cgroupParents.add(parent);
    return new Cgroup(this.#layout, status.cgroupPath);
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Not there.
  }
}

function sendTo(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** The command's first word, for messages, from the bundle of an earlier daemon. */
function programOf(bundle: string): string {
  try {
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as OciSpec;
    return spec.process.args[0] ?? '';
  } catch {
    return '';
  }
}

function withMonitor(tracked: Tracked, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new TareError('not-found', `${tracked.record.execId ?? tracked.record.id} has ended`, error);
  }
}

/** Waits until `done` says so, looking more and more seldom; false after `patience` milliseconds. */
async function settles(done: () => boolean, patience: number): Promise<boolean> {
  const end = Date.now() + patience;
  for (let pause = 1; !done(); pause = Math.min(pause * 1.5, 50)) {
    if (Date.now() > end) return false;
    await Bun.sleep(pause);
  }
  return true;
}
