import { isKind, messageOf, TareError } from '../../base/errors.ts';
import type { Image } from '../images/images.ts';
import type { CreateVolume, Volume } from '../volumes/volumes.ts';
import { chosenPropagation } from './bind-source.ts';
import { checkTarget, parseBind } from './bind-spec.ts';
import type { Container, ContainerConfig, HostConfig, MountPoint, MountRequest } from './model.ts';
import { checkMountRequest } from './mount-request.ts';

/** What the resolution needs to know. */
export interface MountSources {
  /** The volume of a name, made when it is not there. */
  readonly volume: (wanted: CreateVolume) => Promise<Volume>;
  readonly image: (ref: string) => Image;
  readonly container: (ref: string) => Container;
  /** Where the engine keeps its data. */
  readonly dataRoot: string;
  /** Mounts below read-only binds of `-v` stay writable. */
  readonly writableBelowBinds: boolean;
}

/**
 * Turns `--volumes-from`, `-v`, `--mount` and the image's VOLUMEs into mount points, later ones before earlier
 * ones where they name the same target, and makes the volumes. Docker's rules and words.
 */
export async function resolveMounts(
  config: ContainerConfig,
  host: HostConfig,
  sources: MountSources,
): Promise<MountPoint[]> {
  const resolver = new Resolver(sources, host.volumeDriver);
  const explicit = new Set<string>();
  const claim = (target: string): void => {
    if (explicit.has(target)) throw new TareError('invalid', `Duplicate mount point: ${target}`);
    explicit.add(target);
  };
  for (const target of Object.keys(host.tmpfs)) claim(checkTarget(target, invalidTmpfs));
  // Everything is checked before the first volume is made.
  const binds = host.binds.map(parseBind);
  for (const bind of binds) claim(bind.destination);
  const requests = host.mounts.map((request) => ({ ...request, target: checkMountRequest(request) }));
  for (const request of requests) claim(request.target);
  for (const from of host.volumesFrom) await resolver.inherit(from);
  for (const bind of binds) await resolver.bind(bind);
  for (const request of requests) await resolver.request(request);
  for (const target of Object.keys(config.volumes)) {
    const clean = checkTarget(
      target,
      (why) => new TareError('invalid', `invalid volume specification: ${why}`),
    );
    if (!explicit.has(clean) && !resolver.has(clean))
      await resolver.anonymous(clean, {}, {}, host.volumeDriver, true);
  }
  for (const target of explicit) if (Object.hasOwn(host.tmpfs, target)) resolver.drop(target);
  return resolver.sorted();
}

/** True when mounts propagate between host and container: unmounting the root here would unmount it there. */
export function sharesMounts(container: Pick<Container, 'mounts'>): boolean {
  return container.mounts.some(({ propagation }) => /shared|slave/.test(propagation));
}

function invalidTmpfs(why: string): TareError {
  return new TareError('invalid', `invalid tmpfs mount: ${why}`);
}

class Resolver {
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

  async inherit(spec: string): Promise<void> {
    const colon = spec.lastIndexOf(':');
    const ref = colon < 0 ? spec : spec.slice(0, colon);
    const mode = colon < 0 ? '' : spec.slice(colon + 1);
    if (ref === '') throw new TareError('invalid', `volumes-from specification cannot be an empty string`);
    if (!['', 'ro', 'rw', 'z', 'Z'].includes(mode)) {
      throw new TareError('invalid', `invalid volumes-from specification: ${spec}: invalid mode: ${mode}`);
    }
    for (const point of this.#sources.container(ref).mounts) {
      const { name, driver } = point;
      if (point.type === 'volume') await this.#sources.volume({ name, driver, labels: {}, options: {} });
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

  async bind(bind: ReturnType<typeof parseBind>): Promise<void> {
    const { source, destination, mode, readWrite, propagation, noCopy } = bind;
    if (source.startsWith('/')) {
      this.#set({
        type: 'bind',
        source,
        destination,
        mode,
        readWrite,
        propagation: chosenPropagation(source, propagation, this.#sources.dataRoot),
        fromBind: true,
        ...(!readWrite && this.#sources.writableBelowBinds && { below: 'writable' }),
      });
      return;
    }
    if (source === '') {
      await this.anonymous(destination, {}, {}, this.#driver, readWrite);
      return;
    }
    const volume = await this.#sources.volume({
      name: source,
      driver: this.#driver,
      labels: {},
      options: {},
    });
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
    const volume = await this.#sources.volume({ name: '', driver, labels, options });
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
    if (request.type === 'bind') this.#bindRequest(request);
    else if (request.type === 'image') this.#imageRequest(request);
    else if (request.type === 'tmpfs') {
      this.#set({ type: 'tmpfs', destination, readWrite, options: tmpfsOptions(request) });
    } else await this.#volumeRequest(request);
  }

  #bindRequest({ source, target, readOnly, bindOptions }: MountRequest): void {
    this.#set({
      type: 'bind',
      source,
      destination: target,
      readWrite: !readOnly,
      propagation: chosenPropagation(source, bindOptions?.propagation ?? '', this.#sources.dataRoot),
      ...(bindOptions?.idmap && { idmap: bindOptions.idmap }),
      ...(bindOptions?.createMountpoint && { createSource: true }),
      ...(bindOptions?.readOnlyNonRecursive && { below: 'writable' }),
      ...(bindOptions?.nonRecursive && { below: 'left-out' }),
    });
  }

  /** Always read-only: layers belong to all who use them. */
  #imageRequest({ source, target, imageOptions }: MountRequest): void {
    let image: Image;
    try {
      image = this.#sources.image(source);
    } catch (error) {
      // After a 404 clients would pull the container's own image and try again.
      throw isKind(error, 'not-found') ? new TareError('invalid', messageOf(error), error) : error;
    }
    this.#set({
      type: 'image',
      source,
      destination: target,
      readWrite: false,
      image: { id: image.id, layers: image.config.rootfs.diff_ids },
      ...(imageOptions?.subpath && { subpath: imageOptions.subpath }),
    });
  }

  async #volumeRequest(request: MountRequest): Promise<void> {
    const destination = request.target;
    const readWrite = !request.readOnly;
    const wanted = request.volumeOptions;
    const driver = wanted?.driverConfig?.name || this.#driver;
    const options = wanted?.driverConfig?.options ?? {};
    const labels = wanted?.labels ?? {};
    const copyUp = !wanted?.noCopy;
    if (request.source === '') {
      await this.anonymous(destination, labels, options, driver, copyUp);
      return;
    }
    const volume = await this.#sources.volume({ name: request.source, driver, labels, options });
    this.#set({
      type: 'volume',
      name: volume.name,
      source: volume.mountpoint,
      driver: volume.driver,
      destination,
      mode: 'z',
      readWrite,
      // As dockerd: a part of a volume is never filled.
      copyUp: copyUp && !wanted?.subpath,
      ...(wanted?.subpath && { subpath: wanted.subpath }),
    });
  }
}

function tmpfsOptions({ tmpfsOptions }: MountRequest): string[] {
  const { sizeBytes = 0, mode = 0, options: more = [] } = tmpfsOptions ?? {};
  const options = ['noexec', 'nosuid', 'nodev'];
  if (sizeBytes > 0) options.push(`size=${sizeBytes}`);
  if (mode > 0) options.push(`mode=${mode.toString(8)}`);
  return [...options, ...more.map((words) => words.join('='))];
}
