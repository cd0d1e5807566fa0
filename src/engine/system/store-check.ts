import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Container } from '../containers/model.ts';
import type { CheckProgress, Fault, OnProgress } from '../images/check.ts';
import type { NetworkService } from '../networks/networks.ts';
import type { VolumeService } from '../volumes/volumes.ts';

/** What checking everything takes. */
export interface StoreCheckParts {
  readonly images: {
    check(containersOn: (diffId: string) => readonly string[], onProgress: OnProgress): AsyncGenerator<Fault>;
    sweep(): Promise<void>;
  };
  /** `knows`: also those that are being created. */
  readonly containers: { list(): readonly Container[]; knows(id: string): boolean };
  readonly snapshotter: Pick<Snapshotter, 'has' | 'hasLayer' | 'listSnapshots' | 'remove'>;
  readonly volumes: Pick<VolumeService, 'find' | 'list'>;
  readonly networks: Pick<NetworkService, 'find'>;
  /** Parent of all containers' directories, and of all volumes'. */
  readonly containerRoot: string;
  readonly volumeRoot: string;
}

/** One fault as it is told, with what a repair did. */
export interface Finding extends Omit<Fault, 'repair'> {
  readonly repairable: boolean;
  /** What was done; undefined: nothing. */
  readonly repaired: string | undefined;
}

/** `tare system check`. */
export interface StoreCheckService {
  /** Checks everything and, with `repair`, repairs what can be. One at a time is enough for anybody. */
  run(repair: boolean, onProgress: (progress: CheckProgress) => void): AsyncGenerator<Finding>;
}

/** Checks rows against files: containers, volumes and networks here, images, blobs and layers in their own service. */
export class StoreCheck implements StoreCheckService {
  readonly #parts: StoreCheckParts;

  constructor(parts: StoreCheckParts) {
    this.#parts = parts;
  }

  async *run(repair: boolean, onProgress: OnProgress): AsyncGenerator<Finding> {
    for await (const { repair: mend, ...fault } of this.#faults(onProgress)) {
      const repaired = repair ? await mend?.() : undefined;
      yield { ...fault, repairable: mend !== undefined, repaired };
    }
    // What lies outside the stores' own lists: half-made layers, downloads that nobody will go on with.
    if (repair) await this.#parts.images.sweep();
  }

  async *#faults(onProgress: OnProgress): AsyncGenerator<Fault> {
    const { containers, images } = this.#parts;
    const all = containers.list();
    for (const [done, container] of all.entries()) {
      onProgress({ phase: 'containers', done, total: all.length });
      if (containers.knows(container.id)) yield* this.#checkContainer(container);
    }
    yield* this.#checkLeftovers();
    yield* this.#checkVolumes();
    const on = (diffId: string): string[] =>
      containers
        .list()
        .filter(({ layers }) => layers.includes(diffId))
        .map(({ name }) => name);
    yield* images.check(on, onProgress);
  }

  *#checkContainer(container: Container): Generator<Fault> {
    const { snapshotter, volumes, networks } = this.#parts;
    const { id, name } = container;
    const fault = (problem: string, advice: string): Fault => {
      return { kind: 'container', id, problem, affects: [`container ${name}`], advice };
    };
    if (!snapshotter.has(id)) {
      yield fault('what it has written is gone', `remove it: rm ${name}`);
    }
    for (const diffId of container.layers) {
      if (!snapshotter.hasLayer(diffId)) {
        yield fault(`its layer ${diffId} is missing`, `pull ${container.config.image} again`);
      }
    }
    for (const { name: volume = '' } of container.mounts) {
      if (volume !== '' && volumes.find(volume) === undefined) {
        yield fault(`its volume ${volume} has no row`, `make it: volume create ${volume}`);
      }
    }
    for (const { networkId, networkName } of container.endpoints) {
      if (networks.find(networkId) ?? networks.find(networkName)) continue;
      yield {
        ...fault(
          `its network ${networkName} is not there`,
          `make it (network create ${networkName}), or the container again`,
        ),
        kind: 'network',
      };
    }
  }

  /** Files of containers that have no row. */
  async *#checkLeftovers(): AsyncGenerator<Fault> {
    const { snapshotter, containers, containerRoot } = this.#parts;
    const unused = (kind: 'snapshot' | 'container', id: string, remove: () => Promise<void>): Fault => ({
      kind,
      id,
      problem: `the ${kind === 'snapshot' ? 'writable layer' : 'directory'} belongs to no container`,
      affects: [],
      advice: '--repair removes it',
      repair: async () => {
        await remove();
        return 'removed';
      },
    });
    for (const key of snapshotter.listSnapshots()) {
      if (!containers.knows(key)) yield unused('snapshot', key, () => snapshotter.remove(key));
    }
    for (const id of await readdir(containerRoot)) {
      if (containers.knows(id)) continue;
      yield unused('container', id, () => rm(`${containerRoot}/${id}`, { recursive: true, force: true }));
    }
  }

  /** Volumes hold users' data: nothing of theirs is ever repaired. */
  async *#checkVolumes(): AsyncGenerator<Fault> {
    const { volumes, volumeRoot, containers } = this.#parts;
    const usersOf = (name: string): string[] =>
      containers
        .list()
        .filter(({ mounts }) => mounts.some((point) => point.name === name))
        .map((container) => `container ${container.name}`);
    for (const { name, mountpoint, driver } of volumes.list()) {
      // What plugins have is theirs to check.
      if (driver !== 'local') continue;
      if (existsSync(mountpoint) || volumes.find(name) === undefined) continue;
      yield {
        kind: 'volume',
        id: name,
        problem: `its directory ${mountpoint} is missing`,
        affects: [`volume ${name}`, ...usersOf(name)],
        advice: `restore the directory from a copy, or remove the volume: volume rm ${name}`,
      };
    }
    for (const name of await readdir(volumeRoot)) {
      // `.removed` is what removals delete in the background.
      if (name.startsWith('.') || volumes.find(name) !== undefined) continue;
      yield {
        kind: 'volume',
        id: name,
        problem: 'the directory belongs to no volume',
        affects: [],
        advice: `look at ${volumeRoot}/${name} and keep or delete it yourself`,
      };
    }
  }
}
