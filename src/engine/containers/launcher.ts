import { chmod, mkdir, rm } from 'node:fs/promises';
import { UndoStack } from '../../base/dispose.ts';
import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { unmount } from '../../kernel/mount.ts';
import { bootId } from '../../runtime/conmon/monitor-record.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { EventBus } from '../events/events.ts';
import type { NetworkService } from '../networks/networks.ts';
import type { BundleWriter } from './bundle-writer.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerMounts } from './container-mounts.ts';
import { type Connection, connectContainer, disconnectContainer } from './container-network.ts';
import type { ContainerSet } from './container-set.ts';
import { healthAtStart, healthRules } from './health.ts';
import { transition } from './lifecycle.ts';
import type { Container } from './model.ts';
import { sharesMounts } from './mounts.ts';
import type { ContainerPaths } from './paths.ts';
import type { PendingSessions } from './pending-sessions.ts';
import type { RootMounter } from './root-mounter.ts';
import { startFailure } from './start-failure.ts';

/** What launching containers takes. */
export interface LauncherParts {
  readonly set: ContainerSet;
  readonly runtime: Runtime;
  readonly roots: Pick<RootMounter, 'mount' | 'isMapped'>;
  readonly networks: NetworkService;
  readonly bundles: BundleWriter;
  readonly mounts: Pick<ContainerMounts, 'prepare' | 'makeTargets' | 'created' | 'release'>;
  readonly paths: ContainerPaths;
  /** Throws `invalid` when the container's log driver cannot work on this machine. */
  readonly checkLogDriver: (container: Container) => void;
  readonly events: EventBus;
  readonly log: Logger;
  /** Removes a container that asked for it (`--rm`) after its end. */
  readonly autoRemove: (id: string) => Promise<void>;
}

/** Puts together what a running container holds (root, network, bundle, process), and gives it back. */
export class Launcher {
  readonly #parts: LauncherParts;
  readonly #pending: PendingSessions;

  constructor(parts: LauncherParts, pending: PendingSessions) {
    this.#parts = parts;
    this.#pending = pending;
  }

  /** All or nothing. The caller holds the container's lock. */
  async launch(container: Container): Promise<void> {
    const { set, runtime, paths, events, log } = this.#parts;
    const { id } = container;
    const undo = new UndoStack();
    try {
      this.#parts.checkLogDriver(container);
      const { connection, warnings } = await this.#assemble(container, undo);
      let wired: Pick<Connection, 'endpoints' | 'ports'> = connection;
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
      if (connection.plug) {
        wired = await connection.plug(created.pid);
        undo.push(async () => void (await disconnectContainer({ id, ...wired }, this.#parts.networks)));
      }
      // The container's mount namespace has its own by now. One mount less in the host's table for each running
      // container: every further one there slows every start.
      if (!sharesMounts(container)) unmount(paths.rootfs(id));
      this.#parts.mounts.created(container);
      connection.close();
      await this.#pending.connect(id, () => runtime.attach(id));
      // Recorded before the gate opens: a daemon that dies here finds the waiting process again.
      const { state } = set.get(id);
      const checked = healthRules(container.config.healthcheck, container.config.shell) !== undefined;
      const health = checked ? healthAtStart(state.health) : undefined;
      const started = transition(state, {
        type: 'started',
        ...created,
        at: Date.now(),
        health,
        boot: bootId(),
      });
      set.update(id, { state: started, endpoints: wired.endpoints, ports: wired.ports });
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
    // The container's root is another user of the host, who must find its way to the root file system.
    if (this.#parts.roots.isMapped(container)) await chmod(paths.bundle(id), 0o711);
    undo.push(() => rm(paths.bundle(id), { recursive: true, force: true }));
    undo.push(() => {
      unmount(rootfs);
      if (container.hostConfig.ipcMode === 'shareable') unmount(paths.shm(id));
    });
    await this.#parts.roots.mount(container);
    const find = (ref: string): Container => set.get(ref);
    const mapped = this.#parts.roots.isMapped(container);
    const connection = await connectContainer(container, networks, find, mapped);
    undo.push(async () => {
      connection.close();
      await disconnectContainer({ id, ...connection }, networks);
    });
    undo.push(() => this.#parts.mounts.release(container));
    const mounts = await this.#parts.mounts.prepare(container);
    this.#parts.mounts.makeTargets(container, mounts);
    const connected = { ...container, mounts, endpoints: connection.endpoints, ports: connection.ports };
    return { connection, warnings: await bundles.write(connected, connection, find) };
  }

  /** Gives back everything that a running container holds. Idempotent. */
  async release(container: Container): Promise<Container['endpoints']> {
    const { runtime, networks, paths } = this.#parts;
    const { id } = container;
    unmount(paths.rootfs(id));
    if (container.hostConfig.ipcMode === 'shareable') unmount(paths.shm(id));
    const [endpoints] = await Promise.all([disconnectContainer(container, networks), runtime.delete(id)]);
    await this.#parts.mounts.release(container);
    await rm(paths.bundle(id), { recursive: true, force: true });
    return endpoints;
  }
}

/**
 * The monitor's own limit: it bounds the log while the daemon is away. conmon counts all that it has written, over
 * rotations, and throws the current file away each time that passes the limit, so it is set high. Bytes.
 */
const LOG_BACKSTOP = 2 * 1024 ** 3;
