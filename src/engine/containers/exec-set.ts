import { TareError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { ProcessExit, Runtime } from '../../runtime/runtime.ts';
import type { OciProcess } from '../../runtime/spec/oci-spec.ts';
import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import type { Exec, ExecConfig, IoSession } from './containers.ts';
import { isAlive } from './lifecycle.ts';
import type { Container } from './model.ts';
import { Session } from './sessions.ts';
import { SettledSession } from './settled-session.ts';
import { startFailure } from './start-failure.ts';

/** Makes the OCI `process` of an exec: user, environment, capabilities, directory. */
export type ExecProcessOf = (container: Container, config: ExecConfig) => OciProcess;

/** What running further processes takes. */
export interface ExecParts {
  readonly set: ContainerSet;
  readonly runtime: Runtime;
  readonly events: EventBus;
  readonly processOf: ExecProcessOf;
  readonly log: Logger;
}

type Entry = { -readonly [Key in keyof Exec]: Exec[Key] } & {
  /** Resolves when the process was started, or could not be. */
  started: PromiseWithResolvers<void>;
  exited: PromiseWithResolvers<void>;
  finishedAt: number;
};

/** How long an ended exec can still be inspected, as dockerd keeps it. Milliseconds. */
const KEEP = 300_000;

/** The execs of all containers; in memory only, as dockerd has it. */
export class ExecSet {
  readonly #parts: ExecParts;
  readonly #execs = new Map<string, Entry>();

  constructor(parts: ExecParts) {
    this.#parts = parts;
  }

  create(ref: string, config: ExecConfig): string {
    const container = this.#parts.set.get(ref);
    checkRunning(container, ref);
    if (config.cmd.length === 0) throw new TareError('invalid', 'No exec command specified');
    // A user who is not there is refused now: once the process is to start, the answer is a stream.
    if (config.user !== '') this.#parts.processOf(container, config);
    this.#forgetOld();
    const id = newId();
    this.#execs.set(id, {
      id,
      containerId: container.id,
      config,
      running: false,
      exitCode: null,
      pid: 0,
      started: Promise.withResolvers(),
      exited: Promise.withResolvers(),
      finishedAt: 0,
    });
    this.#emit(container, `exec_create: ${shown(config.cmd)}`, id);
    return id;
  }

  get(id: string): Exec {
    return this.#entry(id);
  }

  #entry(id: string): Entry {
    const entry = this.#execs.get(id);
    if (!entry) throw new TareError('not-found', `No such exec instance: ${id}`);
    return entry;
  }

  /** Starts the process; its output is connected before it runs. */
  async start(
    id: string,
    options: { detach: boolean; tty: boolean; consoleSize?: [number, number]; transient?: boolean },
  ): Promise<IoSession> {
    const { set, runtime, processOf } = this.#parts;
    const entry = this.#entry(id);
    if (entry.running || entry.exitCode !== null) {
      throw new TareError('conflict', `exec ${id} has already run`);
    }
    const container = set.get(entry.containerId);
    checkRunning(container);
    const { config } = entry;
    const session = new Session(config.tty, {
      stdin: config.attachStdin && !options.detach,
      stdout: config.attachStdout,
      stderr: config.attachStderr,
    });
    const size = options.consoleSize ?? config.consoleSize;
    entry.running = true;
    // As dockerd, before the process runs: its end may come before the runtime's answer.
    this.#emit(container, `exec_start: ${shown(config.cmd)}`, id);
    try {
      const started = await runtime.exec({
        id: container.id,
        execId: id,
        process: {
          ...processOf(container, config),
          terminal: config.tty,
          ...(size && { consoleSize: { height: size[0], width: size[1] } }),
        },
        openStdin: config.attachStdin && !options.detach,
        attach: !options.detach,
        transient: options.transient ?? false,
      });
      entry.pid = started.pid;
      if (started.attachment) session.connect(started.attachment);
      else session.close();
    } catch (error) {
      entry.running = false;
      // As dockerd: 127 for a program that is not there, 126 for whatever else is in the way.
      entry.exitCode = startFailure(error).exitCode === 127 ? 127 : 126;
      entry.finishedAt = Date.now();
      throw error;
    } finally {
      entry.started.resolve();
    }
    return new SettledSession(session, () => entry.exited.promise);
  }

  async resize(id: string, height: number, width: number): Promise<void> {
    const entry = this.#entry(id);
    // A client gives the size as soon as it has the stream, which is before the process runs.
    if (entry.running) await entry.started.promise;
    const container = this.#parts.set.byId(entry.containerId);
    if (!entry.running || !container || !isAlive(container.state)) {
      throw new TareError('conflict', `exec ${id} is not running`);
    }
    await this.#parts.runtime.resize(entry.containerId, id, height, width);
  }

  handleExit(exit: ProcessExit): void {
    const entry = exit.execId === undefined ? undefined : this.#execs.get(exit.execId);
    if (!entry) return;
    entry.running = false;
    entry.exitCode = exit.exitCode;
    entry.finishedAt = Date.now();
    entry.exited.resolve();
    const container = this.#parts.set.byId(entry.containerId);
    if (container) this.#emit(container, 'exec_die', entry.id, { exitCode: String(exit.exitCode) });
  }

  /** Resolves with the exit code when the process has ended. */
  async exited(id: string): Promise<number | null> {
    const entry = this.#entry(id);
    await entry.exited.promise;
    return entry.exitCode;
  }

  /** SIGKILL to the process and what it started; none is no error. */
  kill(id: string): void {
    const { containerId, running } = this.#entry(id);
    if (running) this.#parts.runtime.killExec(containerId, id);
  }

  /** Forgets an exec that nobody will ask for. */
  drop(id: string): void {
    this.#execs.delete(id);
  }

  /** Ids of a container's execs that run, as inspect shows them. */
  ofContainer(containerId: string): string[] {
    return [...this.#execs.values()]
      .filter((entry) => entry.containerId === containerId && entry.running)
      .map((entry) => entry.id);
  }

  /** The container is gone. */
  forget(containerId: string): void {
    for (const [id, entry] of this.#execs) if (entry.containerId === containerId) this.#execs.delete(id);
  }

  #forgetOld(): void {
    const limit = Date.now() - KEEP;
    for (const [id, entry] of this.#execs) {
      if (entry.finishedAt > 0 && entry.finishedAt < limit) this.#execs.delete(id);
    }
  }

  #emit(container: Container, action: string, execID: string, more: Record<string, string> = {}): void {
    this.#parts.events.emit(containerEvent(container, action, { execID, ...more }));
  }
}

/** As dockerd writes it, with a blank behind a program without arguments. */
function shown([program, ...rest]: readonly string[]): string {
  return `${program} ${rest.join(' ')}`;
}

/** Throws Docker's words when nothing can be executed in the container now. */
function checkRunning(container: Container, ref = container.id): void {
  const { status } = container.state;
  if (status === 'paused') {
    throw new TareError('conflict', `Container ${ref} is paused, unpause the container before exec`);
  }
  if (status === 'restarting') {
    throw new TareError(
      'conflict',
      `Container ${container.id} is restarting, wait until the container is running`,
    );
  }
  if (status !== 'running') throw new TareError('conflict', `container ${container.id} is not running`);
}
