import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TareError } from '../../base/errors.ts';
import { fromNodeError } from '../../kernel/errno.ts';
import { identify, killGroup } from '../../kernel/processes.ts';
import type { Hubs } from '../attach/hubs.ts';
import { diagnose } from '../crun/diagnose.ts';
import { execFailure } from '../crun/failure.ts';
import type { RuntimePaths } from '../paths.ts';
import { removeDirectory } from '../remove-directory.ts';
import type { ExecRequest, StartedExec } from '../runtime.ts';
import { encodeSpec } from '../spec/encode.ts';
import { readExitFile } from './exit-file.ts';
import type { ExitWatch } from './exit-watch.ts';
import { launchMonitor, type MonitorSettings } from './launch.ts';
import { type MonitorRecord, readRecord, writeRecord } from './monitor-record.ts';
import { withOomScore } from './oom-score.ts';
import type { SyncPipe } from './sync-pipe.ts';
import type { Tracked } from './tracked.ts';

/** How long `forget` waits for the monitors of processes that died with their container. */
const EXEC_END_MS = 1000;

const RECORD = 'record.json';
/** Stands for a process that is not known yet. */
const NOBODY = { pid: 0, startTime: 0 };

/** Further processes in running containers; each has a monitor of its own, as its container has. */
export class Execs {
  readonly #settings: MonitorSettings;
  readonly #paths: RuntimePaths;
  readonly #boot: string;
  readonly #exits: ExitWatch;
  readonly #hubs: Hubs;
  readonly #tracked = new Map<string, Tracked>();
  readonly #pipes = new Set<SyncPipe>();

  constructor(settings: MonitorSettings, paths: RuntimePaths, boot: string, exits: ExitWatch, hubs: Hubs) {
    this.#settings = settings;
    this.#paths = paths;
    this.#boot = boot;
    this.#exits = exits;
    this.#hubs = hubs;
    // Without a record: an earlier daemon died before it started anything there.
    for (const execId of readdirSync(paths.execs)) {
      const directory = paths.exec(execId);
      if (!readRecord(join(directory, RECORD), boot)) removeDirectory(directory);
    }
  }

  /** Throws `not-found` when the exec has ended. */
  get(execId: string): Tracked {
    const tracked = this.#tracked.get(execId);
    if (!tracked) throw new TareError('not-found', `exec ${execId} has ended`);
    return tracked;
  }

  /** `root`: the container's root, seen from outside. Throws `invalid` in runc's words. */
  async start(request: ExecRequest, root: string): Promise<StartedExec> {
    const { id, execId, process: spec } = request;
    const terminal = spec.terminal ?? false;
    const directory = this.#paths.exec(execId);
    const exitDirectory = join(directory, 'exit');
    const processFile = join(directory, 'process.json');
    const options = ['--exec', '--exec-process-spec', processFile, '-c', id, '-u', execId, '-n', execId];
    options.push(
      '-b',
      directory,
      '-p',
      join(directory, 'pidfile'),
      '--exit-dir',
      exitDirectory,
      '-l',
      'none',
    );
    if (terminal) options.push('-t');
    if (request.openStdin) options.push('-i');
    if (request.attach) options.push('--exec-attach');
    // A pty's stdin stays open when clients go; a pipe's ends with the client it belongs to.
    if (terminal || !request.attach) options.push('--leave-stdin-open');
    const draft: MonitorRecord = {
      id,
      execId,
      bundle: directory,
      process: NOBODY,
      monitor: NOBODY,
      terminal,
      openStdin: request.openStdin,
      stdinOnce: true,
      ...(request.transient && { transient: true }),
      boot: this.#boot,
    };
    try {
      mkdirSync(exitDirectory, { recursive: true, mode: 0o700 });
      writeFileSync(processFile, encodeSpec(spec), { mode: 0o600 });
      // Written before anything runs: a daemon that dies here leaves a directory whose owner is known.
      writeRecord(join(directory, RECORD), draft);
    } catch (error) {
      removeDirectory(directory);
      throw fromNodeError(error, 'writing the configuration of the exec');
    }
    const monitor = launchMonitor(
      this.#settings,
      directory,
      options,
      request.attach,
      withOomScore(spec.oomScoreAdj),
    );
    this.#pipes.add(monitor.sync);
    try {
      const starting: Tracked = {
        record: { ...draft, monitor: identify(monitor.pid) ?? NOBODY },
        directory,
        exitFile: join(exitDirectory, id),
        exit: undefined,
        forgotten: false,
      };
      // conmon that refuses its arguments never becomes attachable; its first message is then missing as well.
      const ready = monitor.attachable !== undefined && (await monitor.attachable);
      const attachment = ready ? this.#hubs.attach(starting) : undefined;
      monitor.go();
      const message = await monitor.sync.next();
      const complaint = monitor.complaint();
      if (!message || message.data <= 0) {
        attachment?.close();
        const words = message?.message || complaint || diagnose(root, spec);
        throw execFailure(words, spec.args[0] ?? '');
      }
      // A short process may have ended already; its pid is then only a number.
      const process = identify(message.data) ?? { pid: message.data, startTime: 0 };
      const record: MonitorRecord = { ...starting.record, process };
      const tracked = Object.assign(starting, { record });
      this.#tracked.set(execId, tracked);
      writeRecord(join(directory, RECORD), record);
      void this.#follow(tracked, monitor.sync);
      return { pid: process.pid, attachment };
    } catch (error) {
      this.#drop(monitor.sync);
      await monitor.exited;
      removeDirectory(directory);
      throw error;
    }
  }

  /** SIGKILL to a process and its group; none is no error. */
  kill(execId: string): void {
    const tracked = this.#tracked.get(execId);
    if (tracked) killGroup(tracked.record.process);
  }

  /** Waits for the exit code, which conmon sends over the sync pipe and writes to a file. */
  async #follow(tracked: Tracked, sync: SyncPipe): Promise<void> {
    const message = await sync.next();
    this.#drop(sync);
    if (message) {
      const file = readExitFile(tracked.exitFile);
      const finishedAt = file?.finishedAt ?? Date.now();
      this.#exits.finish(tracked, { exitCode: message.data & 0xff, finishedAt, exitCodeKnown: true });
    } else if (!tracked.forgotten) {
      this.#exits.monitorEnded(tracked);
    }
    if (tracked.exit) this.#remove(tracked);
  }

  #drop(sync: SyncPipe): void {
    this.#pipes.delete(sync);
    sync.close();
  }

  #remove(tracked: Tracked): void {
    const { execId = '' } = tracked.record;
    if (this.#tracked.get(execId) === tracked) this.#tracked.delete(execId);
    removeDirectory(tracked.directory);
  }

  /** Takes over the execs that an earlier daemon started in a container, and reports those that ended meanwhile. */
  adopt(id: string): void {
    for (const execId of readdirSync(this.#paths.execs)) {
      if (this.#tracked.has(execId)) continue;
      const directory = this.#paths.exec(execId);
      const record = readRecord(join(directory, RECORD), this.#boot);
      // Half started: nobody waits for it, and its directory goes with the container.
      if (record?.id !== id || record.process.pid === 0) continue;
      const exitFile = join(directory, 'exit', id);
      const tracked: Tracked = { record, directory, exitFile, exit: undefined, forgotten: false };
      this.#tracked.set(execId, tracked);
      if (record.transient) killGroup(record.process);
      if (this.#exits.check(tracked)) this.#remove(tracked);
      else this.#exits.watchAdopted(tracked);
    }
  }

  /** Forgets the execs of a container that is being deleted. */
  async forget(id: string): Promise<void> {
    for (const execId of readdirSync(this.#paths.execs)) {
      const tracked = this.#tracked.get(execId);
      const directory = this.#paths.exec(execId);
      const owner = tracked?.record.id ?? readRecord(join(directory, RECORD), this.#boot)?.id;
      if (owner !== id) continue;
      // Its process died with the container's; its monitor is about to say so.
      for (let waited = 0; tracked && !tracked.exit && waited < EXEC_END_MS; waited += 5) await Bun.sleep(5);
      this.#tracked.delete(execId);
      removeDirectory(directory);
    }
  }

  close(): void {
    for (const pipe of [...this.#pipes]) this.#drop(pipe);
    this.#tracked.clear();
  }
}
