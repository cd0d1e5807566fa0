import { existsSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import type { Volume, VolumeService } from '../volumes/volumes.ts';
import { checkTarget, isVolumeName, parseBind } from './bind-spec.ts';
import type { Container, ContainerConfig, HostConfig, MountPoint, MountRequest } from './model.ts';

/** What the resolution needs to know. */
export interface MountSources {
  readonly volumes: Pick<VolumeService, 'create' | 'find'>;
  readonly container: (ref: string) => Container;
}

/** The resolved mounts, and which volumes were made on the way (to be removed when the create fails). */
export interface ResolvedMounts {
  readonly mounts: MountPoint[];
  readonly created: string[];
}

/**
 * Turns `--volumes-from`, `-v`, `--mount` and the image's VOLUMEs into mount points, later ones before earlier
 * ones where they name the same target, and makes the volumes. Docker's rules and words.
 */
export async function resolveMounts(
  config: ContainerConfig,
  host: HostConfig,
  sources: MountSources,
): Promise<ResolvedMounts> {
  const resolver = new Resolver(sources, host.volumeDriver || 'local');
  for (const from of host.volumesFrom) resolver.inherit(from);
  const explicit = new Set<string>();
  const claim = (target: string): void => {
    if (explicit.has(target)) throw new TareError('invalid', `Duplicate mount point: ${target}`);
    explicit.add(target);
  };
  for (const target of Object.keys(host.tmpfs)) claim(checkTarget(target, invalidTmpfs));
  // Everything is checked before the first volume is made.
  const binds = host.binds.map(parseBind);
  for (const bind of binds) claim(bind.destination);
  const requests = host.mounts.map((request) => ({ ...request, target: checkRequest(request) }));
  for (const request of requests) claim(request.target);
  for (const bind of binds) await resolver.bind(bind);
  for (const request of requests) await resolver.request(request);
  for (const target of Object.keys(config.volumes)) {
    const clean = checkTarget(
      target,
      (why) => new TareError('invalid', `invalid volume specification: ${why}`),
    );
    if (!explicit.has(clean) && !resolver.has(clean)) await resolver.anonymous(clean, {}, {}, 'local', true);
  }
  for (const target of explicit) if (Object.hasOwn(host.tmpfs, target)) resolver.drop(target);
  return { mounts: resolver.sorted(), created: resolver.created };
}

/** True when mounts propagate between host and container: unmounting the root here would unmount it there. */
export function sharesMounts(container: Pick<Container, 'mounts'>): boolean {
  return container.mounts.some(({ propagation }) => /shared|slave/.test(propagation));
}

function invalidTmpfs(why: string): TareError {
  return new TareError('invalid', `invalid tmpfs mount: ${why}`);
}

function invalidMount(request: MountRequest, why: string): TareError {
  return new TareError('invalid', `invalid mount config for type "${request.type}": ${why}`);
}

/** Checks a `--mount` and returns its cleaned target. */
function checkRequest(request: MountRequest): string {
  const fail = (why: string): TareError => invalidMount(request, why);
  if (request.target === '') throw fail('field Target must not be empty');
  const target = checkTarget(request.target, fail);
  switch (request.type) {
    case 'bind':
      if (request.source === '') throw fail('field Source must not be empty');
      if (!request.source.startsWith('/')) {
        throw fail(`invalid mount path: '${request.source}' mount path must be absolute`);
      }
      if (request.volumeOptions) throw fail('field VolumeOptions must not be specified');
      if (request.tmpfsOptions) throw fail('field TmpfsOptions must not be specified');
      if (!existsSync(request.source) && !request.bindOptions?.createMountpoint) {
        throw fail(`bind source path does not exist: ${request.source}`);
      }
      break;
    case 'volume':
      if (request.bindOptions) throw fail('field BindOptions must not be specified');
      if (request.volumeOptions?.subpath) {
        // A link in the volume could lead out of it: this wants the pinned descriptors of a later version.
        throw fail('volume-subpath is not supported by this version of tare');
      }
      if (request.source === '' && request.readOnly) {
        throw fail('must not set ReadOnly mode when using anonymous volumes');
      }
      if (request.source !== '' && !isVolumeName(request.source)) {
        throw fail(
          `"${request.source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
        );
      }
      break;
    case 'tmpfs':
      if (request.source !== '') throw fail('field Source must not be specified');
      if ((request.tmpfsOptions?.sizeBytes ?? 0) < 0) throw fail('size must not be negative');
      break;
    default:
      throw fail(`mount type ${request.type} is not supported by this version of tare`);
  }
  return target;
}

class Resolver {
  readonly created: string[] = [];
  readonly #points = new Map<string, MountPoint>();
  readonly #sources: MountSources;
  readonly #driver: string;

  constructor(sources: MountSources, driver: string) {
    this.#sources = sources;
    this.#driver = driver;
  }

  has(target: string): boolean {
    return this.#points.has(target);
  }

  drop(target: string): void {
    this.#points.delete(target);
  }

  /** Parents before children, so that a mount never hides one made before it. */
  sorted(): MountPoint[] {
    return [...this.#points.values()].sort((a, b) => {
      const depth = a.destination.split('/').length - b.destination.split('/').length;
      return depth || (a.destination < b.destination ? -1 : 1);
    });
  }

  #set(point: Partial<MountPoint> & Pick<MountPoint, 'type' | 'destination'>): void {
    this.#points.set(point.destination, {
      name: '',
      source: '',
      driver: '',
      mode: '',
      readWrite: true,
      propagation: '',
      anonymous: false,
      copyUp: false,
      fromBind: false,
      options: [],
      ...point,
    });
  }

  inherit(spec: string): void {
    const colon = spec.lastIndexOf(':');
    const ref = colon < 0 ? spec : spec.slice(0, colon);
    const mode = colon < 0 ? '' : spec.slice(colon + 1);
    if (ref === '') throw new TareError('invalid', `volumes-from specification cannot be an empty string`);
    if (!['', 'ro', 'rw', 'z', 'Z'].includes(mode)) {
      throw new TareError('invalid', `invalid volumes-from specification: ${spec}: invalid mode: ${mode}`);
    }
    for (const point of this.#sources.container(ref).mounts) {
      // An inherited anonymous volume belongs to the other container.
      this.#set({
        ...point,
        anonymous: false,
        copyUp: false,
        readWrite: point.readWrite && mode !== 'ro',
        mode: mode || point.mode,
      });
    }
  }

  async #volume(request: {
    name: string;
    driver: string;
    labels: Record<string, string>;
    options: Record<string, string>;
  }): Promise<Volume> {
    const known = request.name === '' ? undefined : this.#sources.volumes.find(request.name);
    const volume = known ?? (await this.#sources.volumes.create(request));
    if (!known) this.created.push(volume.name);
    return volume;
  }

  async bind(bind: ReturnType<typeof parseBind>): Promise<void> {
    const { source, destination, mode, readWrite, propagation, noCopy } = bind;
    if (source.startsWith('/')) {
      this.#set({
        type: 'bind',
        source,
        destination,
        mode,
        readWrite,
        propagation: propagation || 'rprivate',
        fromBind: true,
      });
      return;
    }
    if (source === '') {
      await this.anonymous(destination, {}, {}, this.#driver, readWrite);
      return;
    }
    const volume = await this.#volume({ name: source, driver: this.#driver, labels: {}, options: {} });
    this.#set({
      type: 'volume',
      name: volume.name,
      source: volume.mountpoint,
      driver: volume.driver,
      destination,
      mode: mode || 'z',
      readWrite,
      propagation,
      copyUp: !noCopy,
      fromBind: true,
    });
  }

  async anonymous(
    destination: string,
    labels: Record<string, string>,
    options: Record<string, string>,
    driver: string,
    copyUp: boolean,
  ): Promise<void> {
    const volume = await this.#volume({ name: '', driver, labels, options });
    this.#set({
      type: 'volume',
      name: volume.name,
      source: volume.mountpoint,
      driver: volume.driver,
      destination,
      anonymous: true,
      copyUp,
    });
  }

  async request(request: MountRequest): Promise<void> {
    const destination = request.target;
    const readWrite = !request.readOnly;
    if (request.type === 'bind') {
      const propagation = request.bindOptions?.propagation || 'rprivate';
      this.#set({ type: 'bind', source: request.source, destination, readWrite, propagation });
      return;
    }
    if (request.type === 'tmpfs') {
      const { sizeBytes = 0, mode = 0 } = request.tmpfsOptions ?? {};
      const options = ['noexec', 'nosuid', 'nodev'];
      if (sizeBytes > 0) options.push(`size=${sizeBytes}`);
      if (mode > 0) options.push(`mode=${mode.toString(8)}`);
      this.#set({ type: 'tmpfs', destination, readWrite, options });
      return;
    }
    const wanted = request.volumeOptions;
    const driver = wanted?.driverConfig?.name || this.#driver;
    const options = wanted?.driverConfig?.options ?? {};
    const labels = wanted?.labels ?? {};
    const copyUp = !wanted?.noCopy;
    if (request.source === '') {
      await this.anonymous(destination, labels, options, driver, copyUp);
      return;
    }
    const volume = await this.#volume({ name: request.source, driver, labels, options });
    this.#set({
      type: 'volume',
      name: volume.name,
      source: volume.mountpoint,
      driver: volume.driver,
      destination,
      mode: 'z',
      readWrite,
      copyUp,
    });
  }
}
