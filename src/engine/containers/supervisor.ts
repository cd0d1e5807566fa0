import { isKind, messageOf, TareError } from '../../base/errors.ts';
import { KeyedMutex } from '../../base/mutex.ts';
import { parseSignal } from '../../base/signals.ts';
import type { Attachment, ProcessExit } from '../../runtime/runtime.ts';
import { containerEvent } from './container-event.ts';
import { type ApiClient, clientText, type Death, type Ending, explainDeath } from './death.ts';
import { Ender, type EnderParts } from './ender.ts';
import { type FreezerParts, pauseContainer, unpauseContainer } from './freezer.ts';
import { Launcher, type LauncherParts } from './launcher.ts';
import { isAlive, transition, trueEnd } from './lifecycle.ts';
import type { Container } from './model.ts';
import { oomUntold } from './oom-event.ts';
import { PendingSessions } from './pending-sessions.ts';
import type { PostMortem } from './post-mortem.ts';
import { Restarter } from './restarter.ts';
import type { Session } from './sessions.ts';

/** What supervising containers takes. */
export interface SupervisorParts extends LauncherParts, EnderParts, FreezerParts {
  readonly runtime: LauncherParts['runtime'];
  readonly postMortem: Pick<PostMortem, 'examine'>;
}

/** How to stop a container. `timeout`: seconds, -1 for ever; `client`: who asks. */
export interface StopOptions {
  readonly timeout?: number;
  readonly signal?: string;
  readonly client?: ApiClient | undefined;
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
  readonly #launcher: Launcher;
  readonly #ender: Ender;
  readonly #restarter: Restarter;
  /** Being restarted on request: their end does not remove them, `--rm` or not. */
  readonly #kept = new Set<string>();
  /** Ends wait for it. */
  #restored: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#launcher = new Launcher(parts, this.#pending);
    this.#ender = new Ender(parts);
    this.#restarter = new Restarter(parts, (id) => this.#startAgain(id));
  }

  /** Runs `body` while no other operation changes the container. */
  exclusive<T>(id: string, body: () => Promise<T>): Promise<T> {
    return this.#locks.run(id, body);
  }

  /** Starts a container. Throws `not-modified` when it runs. */
  async start(id: string): Promise<void> {
    await this.#locks.run(id, () => this.#startLocked(id));
  }

  /** A restart whose time has come, unless it was called off while it waited for the lock. */
  async #startAgain(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      if (this.#parts.set.byId(id)?.state.status === 'restarting') await this.#startLocked(id);
    });
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
    this.#restarter.superseded(id);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#starting.set(id, promise);
    try {
      await this.#launcher.launch(container);
    } finally {
      this.#starting.delete(id);
      resolve();
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
    const { set, events } = this.#parts;
    const ended = set.byId(reported.id);
    if (!ended || !isAlive(ended.state)) return;
    const exit = trueEnd(ended.state, reported);
    const { exitCode, exitCodeKnown, oomKilled, finishedAt } = exit;
    // Releasing takes the runtime's own record away: a daemon that dies meanwhile finds the code here.
    const container = set.note(exit.id, { exitCode, exitCodeKnown, oomKilled, finishedAt });
    // Docker tells of the end first, then of what it gives back.
    const tellRest = events.hold(exit.id);
    try {
      await this.#handleEnd(container, exit, oomUntold(ended.state), tellRest);
    } finally {
      tellRest();
    }
  }

  async #handleEnd(
    container: Container,
    exit: ProcessExit,
    tellOom: boolean,
    tellRest: () => void,
  ): Promise<void> {
    const { set, events, waiters, log } = this.#parts;
    const { exitCode, exitCodeKnown, oomKilled, finishedAt } = exit;
    const brief = container.hostConfig.autoRemove || container.state.ending?.verb === 'remove';
    const [endpoints, autopsy] = await Promise.all([
      this.#launcher.release(container).catch((error) => {
        log.error('cleaning up after a container', { id: exit.id, error: messageOf(error) });
        return container.endpoints;
      }),
      this.#parts.postMortem.examine(container, exit, brief),
    ]);
    // Looked at only now: a stop may have come meanwhile.
    const before = set.get(exit.id);
    const restarts = this.#restarter.wants(before, exitCode);
    const death = explainDeath(before, autopsy);
    const state = transition(before.state, {
      type: 'exited',
      exitCode,
      exitCodeKnown,
      oomKilled,
      at: finishedAt,
      restarts,
      death,
    });
    const after = set.record(exit.id, { state, endpoints: [...endpoints], ports: [] });
    if (oomKilled && tellOom) events.emit(containerEvent(after, 'oom'));
    events.emit(containerEvent(after, 'die', dieAttributes(exit, death, container.state.startedAt)));
    tellRest();
    if (restarts) this.#restarter.schedule(after, finishedAt - container.state.startedAt);
    else this.#restarter.forget(exit.id);
    waiters.notify(exit.id, 'exit', { exitCode: exit.exitCode });
    if (!restarts && container.hostConfig.autoRemove && !this.#kept.has(exit.id)) {
      await this.#parts.autoRemove(exit.id);
    }
  }

  /** Goes on waiting for a restart that the last daemon did not live to make. */
  resumeRestart(id: string): void {
    const container = this.#parts.set.get(id);
    this.#restarter.schedule(container, container.state.finishedAt - container.state.startedAt);
  }

  /** Stops waiting for a restart. The container is then exited. For who holds its lock. */
  cancelRestart(id: string): void {
    this.#restarter.cancel(id);
  }

  /**
   * A client's wish that no restart follows; one that is on its way up cannot be called off and is awaited. Whether the
   * container is at rest now.
   */
  async callOffRestart(id: string): Promise<boolean> {
    const { set } = this.#parts;
    if (set.byId(id)?.state.status !== 'restarting') return false;
    // Should the start fail, it is not tried again.
    set.note(id, { manuallyStopped: true });
    await this.#starting.get(id);
    if (set.byId(id)?.state.status === 'restarting') this.#restarter.cancel(id);
    const now = set.byId(id);
    return now === undefined || !isAlive(now.state);
  }

  /** Stop signal, grace, SIGKILL; resolves after the end was handled. Throws `not-modified` when it does not run. */
  async stop(id: string, options: StopOptions, verb: Ending['verb'] = 'stop'): Promise<void> {
    const { set, events } = this.#parts;
    if (await this.callOffRestart(id)) return;
    const container = set.get(id);
    if (!isAlive(container.state)) throw new TareError('not-modified', 'the container does not run');
    await this.#stopBecause(container, { cause: 'client', verb, client: options.client }, options);
    const after = set.byId(id);
    if (after) events.emit(containerEvent(after, 'stop'));
  }

  #stopBecause(
    container: Container,
    why: Pick<Ending, 'cause' | 'verb' | 'client'>,
    options: StopOptions = {},
  ): Promise<void> {
    const signal = parseSignal(options.signal || container.config.stopSignal || 'SIGTERM');
    const timeout = options.timeout ?? container.config.stopTimeout ?? STOP_TIMEOUT;
    return this.#ender.end(container, { ...why, signal }, timeout);
  }

  /** Ends a container for the engine's own reasons; restart policies see it as any other end. */
  async endBecause(id: string, cause: 'health' | 'monitor'): Promise<void> {
    const container = this.#parts.set.byId(id);
    if (!container || !isAlive(container.state)) return;
    await this.#stopBecause(container, { cause, verb: 'stop' });
  }

  /** Stops it if it runs, then starts it. */
  async restart(id: string, options: StopOptions): Promise<void> {
    this.#kept.add(id);
    try {
      await this.stop(id, options, 'restart');
    } catch (error) {
      if (!isKind(error, 'not-modified')) throw error;
    } finally {
      this.#kept.delete(id);
    }
    await this.start(id);
  }

  /** Sends a client's signal to the first process; none is no error. */
  signal(container: Container, signal: number, client: ApiClient | undefined): Promise<void> {
    const ending: Ending = { cause: 'client', verb: 'kill', client, signal, at: Date.now() };
    this.#parts.set.note(container.id, { manuallyStopped: true, ending });
    return this.#ender.signal(container, signal);
  }

  /** SIGKILL and the end of it. */
  async kill(id: string, verb: 'kill' | 'remove', client: ApiClient | undefined): Promise<void> {
    const container = this.#parts.set.byId(id);
    if (!container || !isAlive(container.state)) return;
    await this.#ender.end(container, { cause: 'client', verb, client, signal: parseSignal('SIGKILL') }, 0);
  }

  /**
   * The machine goes down: ends all containers as `stop` does, each with its own grace but at most `patience` seconds.
   * It is nobody's wish that they stay so: their restart policies start them at the next boot.
   */
  async endAll(patience: number): Promise<void> {
    const { set, log } = this.#parts;
    this.#restarter.close();
    const living = set.list().filter(({ state }) => isAlive(state) && state.status !== 'restarting');
    const ends = living.map(async (container) => {
      const own = container.config.stopTimeout ?? STOP_TIMEOUT;
      const timeout = own < 0 ? patience : Math.min(own, patience);
      try {
        await this.#stopBecause(container, { cause: 'shutdown', verb: 'stop' }, { timeout });
      } catch (error) {
        log.error('ending a container as the machine goes down', {
          id: container.id,
          error: messageOf(error),
        });
      }
    });
    await Promise.all(ends);
  }

  /** Freezes a running container. Throws `conflict` in Docker's words. */
  async pause(id: string): Promise<void> {
    await this.#locks.run(id, () => pauseContainer(this.#parts, id));
  }

  /** Thaws a paused container. Throws `conflict` in Docker's words. */
  async unpause(id: string): Promise<void> {
    await this.#locks.run(id, () => unpauseContainer(this.#parts, id));
  }

  /** No more restarts; containers go on. */
  close(): void {
    this.#restarter.close();
  }
}

/** Docker's attributes of the event, and why it died. */
function dieAttributes(exit: ProcessExit, death: Death, startedAt: number): Record<string, string> {
  return {
    exitCode: String(exit.exitCode),
    execDuration: String(Math.round((exit.finishedAt - startedAt) / 1000)),
    reason: death.reason,
    ...(death.signal !== '' && { signal: death.signal }),
    ...(death.client && { client: clientText(death.client) }),
  };
}
