import { mkdir, rm } from 'node:fs/promises';
import { UndoStack } from '../../base/dispose.ts';
import { isKind, messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import { settlesWithin } from '../../base/settles-within.ts';
import { parseSignal, signalName } from '../../base/signals.ts';
import { mount, unmount } from '../../kernel/mount.ts';
import type { Attachment, ProcessExit, Runtime } from '../../runtime/runtime.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import type { NetworkService } from '../networks/networks.ts';
import type { BundleWriter } from './bundle-writer.ts';
import { containerEvent } from './container-event.ts';
import { type Connection, connectContainer, disconnectContainer } from './container-network.ts';
import type { ContainerSet } from './container-set.ts';
import { isAlive, transition, trueEnd } from './lifecycle.ts';
import type { Container } from './model.ts';
import { sharesMounts } from './mounts.ts';
import type { ContainerPaths } from './paths.ts';
import { PendingSessions } from './pending-sessions.ts';
import { shouldRestart } from './restart-policy.ts';
import { RestartTimers } from './restart-timers.ts';
import type { Session } from './sessions.ts';
import { startFailure } from './start-failure.ts';
import type { Waiters } from './waiters.ts';
import { untilReceptive } from './young-process.ts';

/** What supervising containers takes. */
export interface SupervisorParts {
  readonly set: ContainerSet;
  readonly runtime: Runtime;
  readonly snapshotter: Snapshotter;
  readonly networks: NetworkService;
  readonly bundles: BundleWriter;
  readonly paths: ContainerPaths;
  readonly waiters: Waiters;
  readonly events: EventBus;
  readonly log: Logger;
  /** Removes a container that asked for it (`--rm`) after its end. */
  readonly autoRemove: (id: string) => Promise<void>;
}

/** Docker's default grace before SIGKILL, seconds. */
const STOP_TIMEOUT = 10;

/**
 * Starts and ends containers: the only place that moves a container between the states of lifecycle.ts.
 * Operations on one container run one after another; the handling of its end does not wait for them, because
 * they wait for it.
 */
export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #locks = new KeyedMutex();
  /** Starts under way: an end that comes at once is handled after the start has been recorded. */
  readonly #starting = new Map<string, Promise<void>>();
  readonly #pending = new PendingSessions();
  readonly #timers = new RestartTimers();
  /** Being restarted on request: their end does not remove them, `--rm` or not. */
  readonly #kept = new Set<string>();
  #closing = false;
  /** Ends wait for it. */
  #restored: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
  }

  /** Runs `body` while no other operation changes the container. */
  exclusive<T>(id: string, body: () => Promise<T>): Promise<T> {
    return this.#locks.run(id, body);
  }

  /** Starts a container. Throws `not-modified` when it runs. */
  async start(id: string): Promise<void> {
    await this.#locks.run(id, () => this.#startLocked(id));
  }

  async #startLocked(id: string): Promise<void> {
    const container = this.#parts.set.get(id);
    const { status } = container.state;
    if (status === 'running') throw new TareError('not-modified', 'the container runs already');
    if (status === 'paused') {
      throw new TareError('conflict', 'cannot start a paused container, try unpause instead');
    }
    if (status === 'removing') {
      throw new TareError('conflict', 'container is marked for removal and cannot be started');
    }
    this.#timers.cancel(id);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#starting.set(id, promise);
    try {
      await this.#launch(container);
    } finally {
      this.#starting.delete(id);
      resolve();
    }
  }

  async #launch(container: Container): Promise<void> {
    const { set, runtime, paths, events, log } = this.#parts;
    const { id } = container;
    const undo = new UndoStack();
    try {
      const { connection, warnings } = await this.#assemble(container, undo);
      for (const warning of warnings) log.warn(warning, { container: id });
      const created = await runtime.create({
        id,
        bundle: paths.bundle(id),
        terminal: container.config.tty,
        openStdin: container.config.openStdin,
        stdinOnce: container.config.stdinOnce,
        logPath: container.hostConfig.logConfig.type === 'none' ? undefined : paths.log(id),
        logMaxSize: LOG_BACKSTOP,
      });
      undo.push(() => runtime.delete(id));
      // The container's mount namespace has its own by now. One mount less in the host's table for each running
      // container: every further one there slows every start.
      if (!sharesMounts(container)) unmount(paths.rootfs(id));
      connection.close();
      await this.#pending.connect(id, () => runtime.attach(id));
      // Recorded before the gate opens: a daemon that dies here finds the waiting process again.
      const started = transition(set.get(id).state, { type: 'started', ...created, at: Date.now() });
      set.update(id, { state: started, endpoints: connection.endpoints, ports: connection.ports });
      await runtime.start(id);
      undo.commit();
      events.emit(containerEvent(set.get(id), 'start'));
    } catch (error) {
      await undo.unwind((failure) => log.warn('undo of a failed start', { id, error: failure }));
      const failure = startFailure(error);
      this.#pending.abandon(id);
      const before = {
        ...set.get(id).state,
        status: container.state.status,
        startedAt: container.state.startedAt,
      };
      set.update(id, {
        endpoints: container.endpoints,
        ports: [],
        state: transition(before, { type: 'start-failed', ...failure, at: Date.now() }),
      });
      // As dockerd: a start that failed is no end, so nobody's wait is over unless the container goes.
      if (container.hostConfig.autoRemove) queueMicrotask(() => void this.#parts.autoRemove(id));
      throw error instanceof TareError ? new TareError(error.kind, failure.error, error) : error;
    }
  }

  /** Mounts the root, connects the networks and writes the bundle. */
  async #assemble(
    container: Container,
    undo: UndoStack,
  ): Promise<{ connection: Connection; warnings: string[] }> {
    const { set, networks, bundles, paths } = this.#parts;
    const { id } = container;
    const rootfs = paths.rootfs(id);
    await mkdir(rootfs, { recursive: true, mode: 0o700 });
    undo.push(() => rm(paths.bundle(id), { recursive: true, force: true }));
    this.#mountRoot(id, rootfs);
    undo.push(() => {
      unmount(rootfs);
      if (container.hostConfig.ipcMode === 'shareable') unmount(paths.shm(id));
    });
    const find = (ref: string): Container => set.get(ref);
    const connection = await connectContainer(container, networks, find);
    undo.push(async () => {
      connection.close();
      await disconnectContainer({ id, ...connection }, networks);
    });
    const connected = { ...container, endpoints: connection.endpoints, ports: connection.ports };
    return { connection, warnings: await bundles.write(connected, connection, find) };
  }

  /** Mounts a container's snapshot at `target`. */
  #mountRoot(id: string, target: string): void {
    for (const spec of this.#parts.snapshotter.mounts(id)) {
      mount(spec.type, spec.source, target, spec.options);
    }
  }

  /** Remembers a client that attached to a container that does not run. */
  addPending(id: string, session: Session): void {
    this.#pending.add(id, session);
  }

  /** A connection to a running container. */
  attach(id: string): Promise<Attachment> {
    return this.#parts.runtime.attach(id);
  }

  /**
   * Until the returned function is called, ends are noted and not handled: what is being restored from the rows
   * must not be given back before it is there.
   */
  deferEnds(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#restored = promise;
    return resolve;
  }

  /** The runtime's word that a container has ended. */
  async handleExit(reported: ProcessExit): Promise<void> {
    await this.#restored;
    await this.#starting.get(reported.id);
    const { set, events, waiters, log } = this.#parts;
    const ended = set.byId(reported.id);
    if (!ended || !isAlive(ended.state)) return;
    const exit = trueEnd(ended.state, reported);
    const { exitCode, exitCodeKnown, oomKilled, finishedAt } = exit;
    // Releasing takes the runtime's own record away: a daemon that dies meanwhile finds the code here.
    const container = set.updateState(exit.id, { exitCode, exitCodeKnown, oomKilled, finishedAt });
    const endpoints = await this.#release(container).catch((error) => {
      log.error('cleaning up after a container', { id: exit.id, error: messageOf(error) });
      return container.endpoints;
    });
    // Looked at only now: a stop may have come meanwhile.
    const { hostConfig, state: before } = set.get(exit.id);
    const restarts = !this.#closing && shouldRestart(hostConfig.restartPolicy, before, exitCode);
    const state = transition(before, {
      type: 'exited',
      exitCode,
      exitCodeKnown,
      oomKilled,
      at: finishedAt,
      restarts,
    });
    const after = set.update(exit.id, { state, endpoints: [...endpoints], ports: [] });
    if (exit.oomKilled) events.emit(containerEvent(after, 'oom'));
    const seconds = Math.round((finishedAt - container.state.startedAt) / 1000);
    events.emit(
      containerEvent(after, 'die', { exitCode: String(exit.exitCode), execDuration: String(seconds) }),
    );
    if (restarts) this.#scheduleRestart(after, finishedAt - container.state.startedAt);
    else this.#timers.forget(exit.id);
    waiters.notify(exit.id, 'exit', { exitCode: exit.exitCode });
    if (!restarts && container.hostConfig.autoRemove && !this.#kept.has(exit.id)) {
      await this.#parts.autoRemove(exit.id);
    }
  }

  /** Gives back everything that a running container holds. Idempotent. */
  async #release(container: Container): Promise<Container['endpoints']> {
    const { runtime, networks, paths } = this.#parts;
    const { id } = container;
    unmount(paths.rootfs(id));
    if (container.hostConfig.ipcMode === 'shareable') unmount(paths.shm(id));
    const [endpoints] = await Promise.all([disconnectContainer(container, networks), runtime.delete(id)]);
    await rm(paths.bundle(id), { recursive: true, force: true });
    return endpoints;
  }

  #scheduleRestart({ id }: Container, ranFor: number): void {
    this.#timers.schedule(id, ranFor, () => {
      this.start(id).catch((error) => {
        if (isKind(error, 'not-found', 'not-modified')) return;
        this.#parts.log.error('restart of a container', { id, error: messageOf(error) });
        this.#afterFailedRestart(id);
      });
    });
  }

  /** A restart that fails counts as one more short run. */
  #afterFailedRestart(id: string): void {
    const container = this.#parts.set.byId(id);
    if (!container || this.#closing || container.state.manuallyStopped || isAlive(container.state)) return;
    if (!shouldRestart(container.hostConfig.restartPolicy, container.state, container.state.exitCode)) return;
    const waiting = this.#parts.set.updateState(id, {
      status: 'restarting',
      restartCount: container.state.restartCount + 1,
    });
    this.#scheduleRestart(waiting, 0);
  }

  /** Stops waiting for a restart. The container is then exited. */
  cancelRestart(id: string): void {
    this.#timers.forget(id);
    const container = this.#parts.set.byId(id);
    if (container?.state.status !== 'restarting') return;
    this.#parts.set.update(id, { state: transition(container.state, { type: 'restart-cancelled' }) });
  }

  /** Stop signal, grace, SIGKILL; resolves after the end was handled. Throws `not-modified` when it does not run. */
  async stop(id: string, options: { timeout?: number; signal?: string }): Promise<void> {
    const { set, events } = this.#parts;
    const container = set.get(id);
    if (container.state.status === 'restarting') {
      this.cancelRestart(id);
      return;
    }
    if (!isAlive(container.state)) throw new TareError('not-modified', 'the container does not run');
    const signal = parseSignal(options.signal || container.config.stopSignal || 'SIGTERM');
    const timeout = options.timeout ?? container.config.stopTimeout ?? STOP_TIMEOUT;
    await this.#end(container, signal, timeout);
    const after = set.byId(id);
    if (after) events.emit(containerEvent(after, 'stop'));
  }

  /** Stops it if it runs, then starts it. */
  async restart(id: string, options: { timeout?: number; signal?: string }): Promise<void> {
    this.#kept.add(id);
    try {
      await this.stop(id, options);
    } catch (error) {
      if (!isKind(error, 'not-modified')) throw error;
    } finally {
      this.#kept.delete(id);
    }
    await this.start(id);
  }

  async #end(container: Container, signal: number, timeout: number): Promise<void> {
    const { set, waiters, runtime } = this.#parts;
    const { id } = container;
    const ended = waiters.next(id, 'exit');
    set.updateState(id, { manuallyStopped: true });
    const kill = parseSignal('SIGKILL');
    await this.signal(container, signal, timeout !== 0);
    const inTime = signal !== kill && (timeout < 0 || (await settlesWithin(ended, timeout * 1000)));
    if (signal !== kill && !inTime) await this.signal(container, kill);
    // A process in uninterruptible sleep outlives SIGKILL: tell so instead of hanging for ever.
    if (!inTime && !(await settlesWithin(ended, KILL_PATIENCE))) {
      const pids = await runtime.pids(id).catch(() => []);
      throw new TareError(
        'internal',
        `container ${id} did not end within ${KILL_PATIENCE / 1000} s of SIGKILL (processes ${pids.join(' ')} hang in the kernel)`,
      );
    }
    await ended;
  }

  /** Sends a signal to the first process; `patient`: a young one is given time for its handlers. None is no error. */
  async signal(container: Container, signal: number, patient = true): Promise<void> {
    const { runtime, events, set } = this.#parts;
    try {
      if (patient) await untilReceptive(container, signal);
      await runtime.signal(container.id, signal);
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
      return;
    }
    events.emit(containerEvent(container, 'kill', { signal: String(signal) }));
    // SIGKILL reaches a frozen process only after it is thawed (cgroup v1).
    if (set.byId(container.id)?.state.status === 'paused' && signalName(signal) === 'SIGKILL') {
      await runtime.resume(container.id);
    }
  }

  /** SIGKILL and the end of it. */
  async kill(id: string): Promise<void> {
    const container = this.#parts.set.byId(id);
    if (container && isAlive(container.state)) await this.#end(container, parseSignal('SIGKILL'), 0);
  }

  /** Freezes a running container. Throws `conflict` in Docker's words. */
  async pause(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      const { set, runtime, events } = this.#parts;
      const container = set.get(id);
      if (container.state.status === 'paused') {
        throw new TareError('conflict', `container ${id} is already paused`);
      }
      if (container.state.status !== 'running') {
        throw new TareError('conflict', `container ${id} is not running`);
      }
      await runtime.pause(id);
      // Looked at anew: it may have ended meanwhile.
      const state = transition(set.get(id).state, { type: 'paused' });
      events.emit(containerEvent(set.update(id, { state }), 'pause'));
    });
  }

  /** Thaws a paused container. */
  async unpause(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      const { set, runtime, events } = this.#parts;
      const container = set.get(id);
      if (container.state.status !== 'paused') {
        throw new TareError('conflict', `container ${id} is not paused`);
      }
      await runtime.resume(id);
      const state = transition(set.get(id).state, { type: 'unpaused' });
      events.emit(containerEvent(set.update(id, { state }), 'unpause'));
    });
  }

  /** No more restarts; containers go on. */
  close(): void {
    this.#closing = true;
    this.#timers.close();
  }
}

const KILL_PATIENCE = 30_000;

/**
 * The monitor's own limit: it bounds the log while the daemon is away. conmon counts all that it has written, over
 * rotations, and throws the current file away each time that passes the limit, so it is set high. Bytes.
 */
const LOG_BACKSTOP = 2 * 1024 ** 3;
