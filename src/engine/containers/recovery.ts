import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { codeOf } from '../../kernel/errno.ts';
import { listMounts, unmount } from '../../kernel/mount.ts';
import type { ProcessExit, Runtime } from '../../runtime/runtime.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { NetworkService } from '../networks/networks.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import type { ContainerMounts } from './container-mounts.ts';
import { answerNames } from './container-network.ts';
import type { ContainerSet } from './container-set.ts';
import { EndpointRepair } from './endpoint-repair.ts';
import { isAlive } from './lifecycle.ts';
import type { Container } from './model.ts';
import type { ContainerPaths } from './paths.ts';
import { startsWithDaemon } from './restart-policy.ts';
import type { Supervisor } from './supervisor.ts';
import { completeUpdate } from './update-note.ts';

/** What coming back after a restart takes. */
export interface RecoveryParts {
  readonly set: ContainerSet;
  readonly runtime: Pick<Runtime, 'adopt' | 'start' | 'resume' | 'delete' | 'setLimits'>;
  readonly supervisor: Pick<Supervisor, 'deferEnds' | 'handleExit' | 'resumeRestart' | 'start'>;
  readonly snapshotter: Pick<Snapshotter, 'listSnapshots' | 'remove'>;
  readonly mounts: Pick<ContainerMounts, 'sweep'>;
  readonly volumes: Pick<VolumeStore, 'restore'>;
  readonly networks: Pick<
    NetworkService,
    'restore' | 'namespaceOf' | 'linksIn' | 'join' | 'route' | 'get' | 'serveNames'
  >;
  readonly paths: ContainerPaths;
  /** EtcFiles.complete */
  readonly completeFiles: (container: Container) => boolean;
  /** Removes a container that asked for it (`--rm`) after its end. */
  readonly autoRemove: (id: string) => Promise<void>;
  readonly log: Logger;
}

/** What recovery does while the API answers already. */
export interface Unfinished {
  /** Ends that the runtime knows nothing of. */
  readonly lost: readonly ProcessExit[];
  /** Ids of the containers that did not run when the last daemon went. */
  readonly resting: readonly string[];
}

/**
 * Brings the rows and the machine together again after a daemon has gone, however it went: containers that still
 * run are adopted, those that ended meanwhile get their true exit codes, and what belongs to no row is removed.
 */
export class ContainerRecovery {
  readonly #parts: RecoveryParts;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** Before the API answers. Returns what is left for `finish`. */
  async adopt(): Promise<Unfinished> {
    const restored = this.#parts.supervisor.deferEnds();
    try {
      return await this.#adopt();
    } finally {
      restored();
    }
  }

  async #adopt(): Promise<Unfinished> {
    const { set, runtime, networks, log } = this.#parts;
    this.#dropLost();
    const resting = set.list().filter(({ state }) => !isAlive(state));
    const lost: ProcessExit[] = [];
    const ended: string[] = [];
    const living: Container[] = [];
    for (const container of set.list()) {
      if (!isAlive(container.state)) continue;
      const { id, state } = container;
      const adopted = await runtime.adopt({ id, pid: state.pid, monitorPid: state.monitorPid });
      if (adopted.state === 'ended') {
        // The runtime reports it to the supervisor as any other end.
        ended.push(id);
      } else if (adopted.state === 'gone') {
        lost.push(lostExit(container));
      } else {
        living.push(container);
        // Frozen, and the row knows of no pause: the last daemon went in the middle of a commit.
        const forgotten = adopted.state === 'paused' && state.status !== 'paused';
        if (forgotten) await runtime.resume(id);
        const status = adopted.state === 'paused' && !forgotten ? 'paused' : 'running';
        if (status !== state.status) set.updateState(id, { status });
        this.#completeUpdate(id);
        // The last daemon went between writing the row and opening the gate.
        if (adopted.state === 'created') {
          await runtime.start(id).catch((error) => {
            log.error('opening the gate of a container', { id, error: messageOf(error) });
          });
        }
      }
    }
    const repair = new EndpointRepair(networks, log);
    repair.look(living);
    await networks.restore(
      living.map((container) => ({
        containerId: container.id,
        endpoints: container.endpoints,
        ports: container.ports,
      })),
    );
    await repair.mend();
    this.#parts.mounts.sweep();
    await this.#parts.volumes.restore(volumeUses(living));
    for (const container of living) await this.#answerNames(container);
    await this.#sweep(new Set([...living.map(({ id }) => id), ...ended, ...lost.map(({ id }) => id)]));
    log.info('containers', { running: living.length, ended: ended.length + lost.length });
    return { lost, resting: resting.map(({ id }) => id) };
  }

  #completeUpdate(id: string): void {
    try {
      completeUpdate(this.#parts, id);
    } catch (error) {
      this.#parts.log.error('completing an update of a container', { id, error: messageOf(error) });
    }
  }

  /** Nobody answered names while no daemon was there. */
  async #answerNames(container: Container): Promise<void> {
    const { networks, log } = this.#parts;
    const { id, state } = container;
    try {
      if (!this.#parts.completeFiles(container)) return;
      const ns = networks.namespaceOf(state.pid);
      await answerNames(container, ns, networks).finally(() => ns.close());
    } catch (error) {
      log.error('answering names for a container', { id, error: messageOf(error) });
    }
  }

  /** Rows whose removal a crash of the machine took back, but not that of their snapshot. */
  #dropLost(): void {
    const { set, snapshotter, paths, log } = this.#parts;
    const present = new Set(snapshotter.listSnapshots());
    for (const { id } of set.list()) {
      // With one of the two still there, it may be a disk that is not mounted: that is for a person to decide.
      if (present.has(id) || existsSync(paths.directory(id))) continue;
      log.warn('removing the rest of a container whose files are gone', { id });
      set.remove(id);
    }
  }

  /** Handles the ends that nobody else does and starts what its restart policy wants running. */
  async finish({ lost, resting }: Unfinished): Promise<void> {
    const { set, supervisor, autoRemove, log } = this.#parts;
    for (const exit of lost) await supervisor.handleExit(exit);
    for (const id of resting) {
      const container = set.byId(id);
      if (!container || isAlive(container.state)) continue;
      if (container.state.status === 'restarting') {
        supervisor.resumeRestart(id);
        continue;
      }
      // The last daemon went between noting its end and removing it.
      if (container.hostConfig.autoRemove && container.state.startedAt > 0) {
        await autoRemove(id);
        continue;
      }
      if (!startsWithDaemon(container.hostConfig.restartPolicy, container.state)) continue;
      await supervisor.start(id).catch((error) => {
        log.error('starting a container with the daemon', { id, error: messageOf(error) });
      });
    }
  }

  /** Removes mounts, bundles, directories and snapshots without a container; `running` keep their mounts. */
  async #sweep(running: ReadonlySet<string>): Promise<void> {
    const { set, runtime, snapshotter, paths, log } = this.#parts;
    const inside = `${paths.bundles}/`;
    const mounted = listMounts().filter(({ target }) => target.startsWith(inside));
    for (const { target } of mounted.reverse()) {
      const owner = target.slice(inside.length).split('/', 1)[0] ?? '';
      if (!running.has(owner)) unmount(target);
    }
    for (const name of await namesIn(paths.bundles)) {
      if (running.has(name)) continue;
      log.info('removing a half-made start', { id: name });
      await runtime.delete(name).catch((error) => {
        log.warn('removing what a start left', { id: name, error: messageOf(error) });
      });
      await rm(paths.bundle(name), { recursive: true, force: true });
    }
    for (const name of await namesIn(paths.root)) {
      if (!set.byId(name)) await rm(paths.directory(name), { recursive: true, force: true });
    }
    for (const key of snapshotter.listSnapshots()) {
      if (!set.byId(key)) await snapshotter.remove(key);
    }
  }
}

/** Ids of the containers that have each volume mounted, by its name. */
function volumeUses(living: readonly Container[]): Map<string, string[]> {
  const uses = new Map<string, string[]>();
  for (const { id, mounts } of living) {
    for (const { name } of mounts) if (name !== '') uses.set(name, [...(uses.get(name) ?? []), id]);
  }
  return uses;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The runtime forgot it: the last daemon died while clearing up (then the state has the end), or a reboot took it. */
function lostExit({ id }: Container): ProcessExit {
  return {
    id,
    execId: undefined,
    exitCode: 255,
    exitCodeKnown: false,
    finishedAt: Date.now(),
    oomKilled: false,
  };
}
