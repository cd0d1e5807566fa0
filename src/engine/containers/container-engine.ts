import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { parseSignal, signalName } from '../../base/signals.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import type { ImageService } from '../images/images.ts';
import type { NetworkService } from '../networks/networks.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerFiles } from './container-files.ts';
import type { ContainerSet } from './container-set.ts';
import type {
  CommitOptions,
  ContainerService,
  Exec,
  ExecConfig,
  IoSession,
  LogOptions,
  LogRecord,
  RemoveOptions,
  WaitCondition,
} from './containers.ts';
import type { ContainerCreator } from './creator.ts';
import type { ApiClient } from './death.ts';
import type { ExecSet } from './exec-set.ts';
import { isAlive } from './lifecycle.ts';
import { linkToRemove, withLinkNames, withShownLinks } from './links.ts';
import { detailsOf } from './logging/log-attributes.ts';
import { logSettings } from './logging/log-settings.ts';
import type { Container, CreateContainer, EndpointSettings } from './model.ts';
import { checkName } from './names.ts';
import type { NetworkChanges } from './network-changes.ts';
import type { ContainerPaths } from './paths.ts';
import { changePorts, isNoPortChange } from './port-changes.ts';
import type { ContainerRemover } from './remover.ts';
import { Session } from './sessions.ts';
import { SettledSession } from './settled-session.ts';
import type { StopOptions, Supervisor } from './supervisor.ts';
import { listProcesses } from './top.ts';
import { type ContainerChange, updateContainer } from './updater.ts';
import type { Waiters, WaitResult } from './waiters.ts';

/** The parts that the engine's container service is put together from. */
export interface ContainerEngineParts {
  readonly set: ContainerSet;
  readonly creator: ContainerCreator;
  readonly supervisor: Supervisor;
  readonly networkChanges: NetworkChanges;
  readonly remover: ContainerRemover;
  readonly files: ContainerFiles;
  readonly execs: ExecSet;
  readonly waiters: Waiters;
  readonly runtime: Runtime;
  readonly machine: MachineFacts;
  readonly paths: ContainerPaths;
  readonly snapshotter: Snapshotter;
  readonly images: Pick<ImageService, 'find'>;
  readonly networks: Pick<NetworkService, 'publish' | 'unpublish'>;
  readonly logSize: (id: string) => number;
  readonly readLog: (container: Container, options: LogOptions) => AsyncIterable<readonly LogRecord[]>;
  readonly events: EventBus;
  readonly log: Logger;
}

/** The container service: resolves references and hands each call to the part that does it. */
export class ContainerEngine implements ContainerService {
  readonly #parts: ContainerEngineParts;

  constructor(parts: ContainerEngineParts) {
    this.#parts = parts;
  }

  #id(ref: string): string {
    return this.#parts.set.get(ref).id;
  }

  create(request: CreateContainer): Promise<{ id: string; warnings: string[] }> {
    // Whoever creates starts next.
    this.#parts.runtime.anticipate();
    return this.#parts.creator.create(request);
  }

  get(ref: string): Container {
    const { set } = this.#parts;
    return withShownLinks(set.get(ref), (other) => set.find(other));
  }

  list(): Container[] {
    return withLinkNames(this.#parts.set.list());
  }

  async size(ref: string): Promise<{ writable: number; total: number }> {
    const container = this.get(ref);
    const { bytes } = await this.#parts.snapshotter.usage(container.id);
    return { writable: bytes, total: bytes + (this.#parts.images.find(container.imageId)?.size ?? 0) };
  }

  logSize(ref: string): number {
    return this.#parts.logSize(this.#id(ref));
  }

  start(ref: string): Promise<void> {
    this.#parts.runtime.anticipate();
    return this.#parts.supervisor.start(this.#id(ref));
  }

  stop(ref: string, options: StopOptions): Promise<void> {
    return this.#parts.supervisor.stop(this.#id(ref), options);
  }

  async restart(ref: string, options: StopOptions): Promise<void> {
    const id = this.#id(ref);
    const { supervisor, events } = this.#parts;
    await supervisor.restart(id, options);
    events.emit(containerEvent(this.get(id), 'restart'));
  }

  async kill(ref: string, signal: string, client?: ApiClient): Promise<void> {
    const container = this.#parts.set.find(ref);
    if (!container) {
      throw new TareError('not-found', `cannot kill container: ${ref}: No such container: ${ref}`);
    }
    const number = parseSignal(signal || 'SIGKILL');
    if (await this.#parts.supervisor.callOffRestart(container.id)) return;
    if (!isAlive((this.#parts.set.byId(container.id) ?? container).state)) {
      throw new TareError(
        'conflict',
        `cannot kill container: ${ref}: container ${container.id} is not running`,
      );
    }
    // As dockerd: whoever kills finds the container ended; other signals may do anything.
    if (signalName(number) === 'SIGKILL') {
      return await this.#parts.supervisor.kill(container.id, 'kill', client);
    }
    await this.#parts.supervisor.signal(container, number, client);
  }

  async pause(ref: string): Promise<void> {
    const id = this.#id(ref);
    await this.#parts.supervisor.pause(id);
  }

  async unpause(ref: string): Promise<void> {
    await this.#parts.supervisor.unpause(this.#id(ref));
  }

  async rename(ref: string, name: string): Promise<void> {
    const { set, supervisor, events } = this.#parts;
    if (name === '') throw new TareError('invalid', 'Neither old nor new names may be empty');
    const bare = checkName(name);
    const { id } = set.get(ref);
    await supervisor.exclusive(id, async () => {
      const before = set.get(id);
      if (before.name === bare) {
        throw new TareError('invalid', 'Renaming a container with the same name as its current name');
      }
      try {
        set.reserveName(bare, id);
      } catch (error) {
        throw error instanceof TareError
          ? new TareError(error.kind, `Error when allocating new name: ${error.message}`, error)
          : error;
      }
      try {
        const after = set.update(id, { name: bare });
        events.emit(containerEvent(after, 'rename', { oldName: `/${before.name}` }));
      } finally {
        set.releaseName(bare);
      }
    });
  }

  remove(ref: string, options: RemoveOptions): Promise<void> {
    if (options.link) return this.#removeLink(ref);
    return this.#parts.remover.remove(this.#id(ref), options);
  }

  async #removeLink(ref: string): Promise<void> {
    const { set } = this.#parts;
    const { parent, rest } = linkToRemove(ref, (other) => set.find(other));
    set.update(parent.id, { hostConfig: { ...parent.hostConfig, links: rest } });
  }

  async wait(ref: string, condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    const container = this.get(ref);
    const { waiters } = this.#parts;
    if (condition === 'removed') return await waiters.next(container.id, 'removed', signal);
    const ended = !isAlive(container.state) && container.state.status !== 'restarting';
    if (condition === 'not-running' && ended) return { exitCode: container.state.exitCode };
    return await waiters.next(container.id, 'exit', signal);
  }

  async resize(ref: string, height: number, width: number): Promise<void> {
    const container = this.get(ref);
    if (!isAlive(container.state)) {
      throw new TareError('conflict', `container ${container.id} is not running`);
    }
    await this.#parts.runtime.resize(container.id, undefined, height, width);
  }

  update(ref: string, change: ContainerChange): Promise<{ warnings: string[] }> {
    const { id } = this.#parts.set.get(ref);
    return this.#parts.supervisor.exclusive(id, async () => {
      const { ports } = change;
      const undo = ports && !isNoPortChange(ports) ? await changePorts(this.#parts, id, ports) : undefined;
      try {
        return updateContainer(this.#parts, id, change);
      } catch (error) {
        await undo?.();
        throw error;
      }
    });
  }

  async attach(
    ref: string,
    options: { stdin: boolean; stdout: boolean; stderr: boolean },
  ): Promise<IoSession> {
    const { supervisor, events } = this.#parts;
    const container = this.get(ref);
    if (container.state.status === 'paused') {
      throw new TareError(
        'conflict',
        `container ${container.id} is paused, unpause the container before attach`,
      );
    }
    const { tty, openStdin } = container.config;
    const session = new Session(tty, { ...options, stdin: options.stdin && openStdin });
    if (isAlive(container.state)) session.connect(await supervisor.attach(container.id));
    else supervisor.addPending(container.id, session);
    events.emit(containerEvent(container, 'attach'));
    const { set, waiters } = this.#parts;
    return new SettledSession(session, async () => {
      const now = set.byId(container.id);
      if (now && isAlive(now.state)) await waiters.next(container.id, 'exit');
    });
  }

  logs(ref: string, options: LogOptions): AsyncIterable<readonly LogRecord[]> {
    const container = this.get(ref);
    if (!logSettings(container.hostConfig.logConfig).readable) {
      throw new TareError('not-implemented', 'configured logging driver does not support reading');
    }
    return this.#parts.readLog(container, options);
  }

  logDetails(ref: string): Readonly<Record<string, string>> {
    return detailsOf(this.get(ref));
  }

  async top(ref: string, psArgs: string): Promise<{ titles: string[]; processes: string[][] }> {
    const container = this.get(ref);
    if (!isAlive(container.state)) {
      throw new TareError('conflict', `container ${container.id} is not running`);
    }
    const pids = await this.#parts.runtime.pids(container.id);
    this.#parts.events.emit(containerEvent(container, 'top'));
    return await listProcesses(pids, psArgs);
  }

  changes(ref: string): Promise<ReadonlyArray<{ kind: 'A' | 'C' | 'D'; path: string }>> {
    return this.#parts.snapshotter.changes(this.#id(ref));
  }

  export(ref: string): Promise<ReadableStream<Uint8Array>> {
    return this.#parts.files.export(ref);
  }

  commit(ref: string, options: CommitOptions): Promise<string> {
    return this.#parts.files.commit(ref, options);
  }

  async prune(matches: (container: Container) => boolean): Promise<{ deleted: string[]; reclaimed: number }> {
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const container of this.list()) {
      if (isAlive(container.state) || container.state.status === 'restarting' || !matches(container))
        continue;
      try {
        const { writable } = await this.size(container.id);
        const log = this.logSize(container.id);
        await this.remove(container.id, { force: false, volumes: false, link: false });
        deleted.push(container.id);
        reclaimed += writable + log;
      } catch (error) {
        this.#parts.log.warn('prune of a container', { id: container.id, error });
      }
    }
    const attributes = { reclaimed: String(reclaimed) };
    this.#parts.events.emit({ type: 'container', action: 'prune', id: '', attributes });
    return { deleted, reclaimed };
  }

  connect(network: string, ref: string, settings: EndpointSettings): Promise<void> {
    return this.#parts.networkChanges.connect(network, ref, settings);
  }

  disconnect(network: string, ref: string, force: boolean): Promise<void> {
    return this.#parts.networkChanges.disconnect(network, ref, force);
  }

  async createExec(ref: string, request: ExecConfig): Promise<string> {
    this.#parts.runtime.anticipate();
    return this.#parts.execs.create(ref, request);
  }

  getExec(execId: string): Exec {
    return this.#parts.execs.get(execId);
  }

  execsOf(ref: string): string[] {
    return this.#parts.execs.ofContainer(this.#id(ref));
  }

  startExec(
    execId: string,
    options: { detach: boolean; tty: boolean; consoleSize?: [number, number] },
  ): Promise<IoSession> {
    return this.#parts.execs.start(execId, options);
  }

  resizeExec(execId: string, height: number, width: number): Promise<void> {
    return this.#parts.execs.resize(execId, height, width);
  }
}
