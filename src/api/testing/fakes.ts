import { TareError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { ContainerService, Exec, IoSession, LogRecord } from '../../engine/containers/containers.ts';
import type { Container, CreateContainer } from '../../engine/containers/model.ts';
import { compileQuery } from '../../engine/containers/query.ts';
import { EventLog } from '../../engine/events/event-log.ts';
import type { Image, ImageService } from '../../engine/images/images.ts';
import type { Network } from '../../engine/networks/networks.ts';
import type { SystemInfo } from '../../engine/system/system.ts';
import type { Volume, VolumeService } from '../../engine/volumes/volumes.ts';
import { createContainerBody } from '../codec/bodies.ts';
import { decode } from '../codec/codec.ts';
import type { ApiDependencies } from '../dependencies.ts';

export const CONTAINER_ID = 'c0ffee'.padEnd(64, '0');
export const IMAGE_ID = `sha256:${'1f'.repeat(32)}`;
const MINUTE = 60_000;
/** Now, in all tests. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A running container named web of the image nginx; parts of it can be replaced. */
export function fakeContainer(
  body: unknown = { Image: 'nginx', Cmd: ['nginx', '-g', 'daemon off;'] },
  change: Partial<Container> = {},
): Container {
  const request = decode(createContainerBody, body);
  return {
    id: CONTAINER_ID,
    name: 'web',
    createdAt: NOW - 5 * MINUTE,
    imageId: IMAGE_ID,
    platform: 'linux',
    layers: [],
    snapshotter: 'overlay',
    config: request.config,
    hostConfig: request.hostConfig,
    mounts: [],
    endpoints: [],
    ports: [],
    state: {
      status: 'running',
      pid: 42,
      monitorPid: 41,
      exitCode: 0,
      exitCodeKnown: true,
      error: '',
      oomKilled: false,
      startedAt: NOW - 2 * MINUTE,
      finishedAt: 0,
      restartCount: 0,
      manuallyStopped: false,
    },
    ...change,
  };
}

/** A process's stdio in memory. */
export class FakeSession implements IoSession {
  readonly tty: boolean;
  readonly input: Uint8Array[] = [];
  readonly #ended = Promise.withResolvers<'eof' | 'closed' | 'overrun'>();
  readonly ended = this.#ended.promise;
  #listener: ((stream: 'stdout' | 'stderr', chunk: Uint8Array) => void) | undefined;
  #backlog: Array<['stdout' | 'stderr', Uint8Array]> = [];
  paused = false;
  closed = false;
  /** Called when stdin has ended. */
  onInputEnd: () => void = () => {};
  onInput: (chunk: Uint8Array) => Promise<void> | void = () => {};
  onResume: () => void = () => {};

  constructor(tty: boolean) {
    this.tty = tty;
  }

  onOutput(listener: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void): void {
    this.#listener = listener;
    for (const [stream, chunk] of this.#backlog) listener(stream, chunk);
    this.#backlog = [];
  }

  emit(stream: 'stdout' | 'stderr', text: string | Uint8Array): void {
    const chunk = typeof text === 'string' ? Buffer.from(text) : text;
    if (this.#listener === undefined) this.#backlog.push([stream, chunk]);
    else this.#listener(stream, chunk);
  }

  exit(): void {
    this.#ended.resolve('eof');
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.input.push(chunk.slice());
    await this.onInput(chunk);
  }

  async closeInput(): Promise<void> {
    this.onInputEnd();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.onResume();
  }

  close(): void {
    this.closed = true;
    this.#ended.resolve('closed');
  }

  get inputText(): string {
    return Buffer.concat(this.input).toString();
  }
}

function refuse(): never {
  throw new TareError('not-implemented', 'the fake does not do this');
}

/** A container service whose methods tests replace as they need. */
export class FakeContainers implements ContainerService {
  items: Container[] = [fakeContainer()];
  created: CreateContainer[] = [];
  calls: string[] = [];
  session = new FakeSession(false);
  execs = new Map<string, Exec>();
  exits = Promise.withResolvers<{ exitCode: number; error?: string }>();
  waitSignal: AbortSignal | undefined;
  records: LogRecord[] = [];
  logSignal: AbortSignal | undefined;

  get(ref: string): Container {
    const bare = ref.replace(/^\//, '');
    const found = this.items.find((item) => item.name === bare || item.id.startsWith(bare));
    if (found === undefined) throw new TareError('not-found', `No such container: ${ref}`);
    return found;
  }

  #note(call: string, ref: string, ...more: unknown[]): void {
    this.calls.push([call, this.get(ref).name, ...more.map((value) => JSON.stringify(value))].join(' '));
  }

  list(): Container[] {
    return this.items;
  }

  async create(request: CreateContainer) {
    this.created.push(request);
    return { id: CONTAINER_ID, warnings: ['careful'] };
  }

  async size() {
    return { writable: 10, total: 110 };
  }

  async start(ref: string) {
    this.#note('start', ref);
    if (this.get(ref).state.status === 'running') throw new TareError('not-modified', 'it runs');
  }

  async stop(ref: string, options: object) {
    this.#note('stop', ref, options);
  }

  async restart(ref: string, options: object) {
    this.#note('restart', ref, options);
  }

  async kill(ref: string, signal: string) {
    this.#note('kill', ref, signal);
  }

  async pause(ref: string) {
    this.#note('pause', ref);
  }

  async unpause(ref: string) {
    this.#note('unpause', ref);
  }

  async rename(ref: string, name: string) {
    this.#note('rename', ref, name);
  }

  async remove(ref: string, options: object) {
    this.#note('remove', ref, options);
  }

  async wait(ref: string, condition: string, signal: AbortSignal) {
    this.#note('wait', ref, condition);
    this.waitSignal = signal;
    return await this.exits.promise;
  }

  async resize(ref: string, height: number, width: number) {
    this.#note('resize', ref, height, width);
  }

  async update(ref: string, change: object) {
    this.#note('update', ref, change);
    return { warnings: [] };
  }

  async attach(ref: string, options: object) {
    this.#note('attach', ref, options);
    return this.session;
  }

  async *logs(ref: string, options: { follow: boolean; signal: AbortSignal }) {
    this.#note('logs', ref, { ...options, signal: undefined });
    this.logSignal = options.signal;
    yield* this.records;
    if (options.follow) {
      await new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve()));
    }
  }

  async top() {
    return { titles: ['PID'], processes: [['1']] };
  }

  async changes() {
    return [{ kind: 'A' as const, path: '/new' }];
  }

  async export(): Promise<ReadableStream<Uint8Array>> {
    return byteStream(['tar', 'ball']);
  }

  async commit() {
    return IMAGE_ID;
  }

  async prune(matches: (container: Container) => boolean) {
    return { deleted: this.items.filter(matches).map((item) => item.id), reclaimed: 5 };
  }

  async createExec(ref: string, config: Exec['config']) {
    const container = this.get(ref);
    const exec = { id: 'e1', containerId: container.id, config, running: false, exitCode: null, pid: 0 };
    this.execs.set('e1', exec);
    return 'e1';
  }

  getExec(id: string): Exec {
    const exec = this.execs.get(id);
    if (exec === undefined) throw new TareError('not-found', `No such exec instance: ${id}`);
    return exec;
  }

  startError: TareError | undefined;

  async startExec(_id: string, _options: object) {
    if (this.startError !== undefined) throw this.startError;
    return this.session;
  }

  async resizeExec() {}
}

export function byteStream(parts: readonly string[]): ReadableStream<Uint8Array> {
  const pending = [...parts];
  return new ReadableStream({
    pull(controller) {
      const part = pending.shift();
      if (part === undefined) controller.close();
      else controller.enqueue(Buffer.from(part));
    },
  });
}

export function fakeImage(change: Partial<Image> = {}): Image {
  return {
    id: IMAGE_ID,
    config: {
      architecture: 'amd64',
      os: 'linux',
      created: '2025-12-01T00:00:00Z',
      config: { Cmd: ['sh'], Labels: { a: 'b' } },
      rootfs: { type: 'layers', diff_ids: ['sha256:aa'] },
      history: [
        { created: '2025-12-01T00:00:00Z', created_by: 'ADD' },
        { empty_layer: true, created_by: 'CMD' },
      ],
    },
    repoTags: ['nginx:latest'],
    repoDigests: [],
    size: 100,
    createdAt: Date.UTC(2025, 11, 1),
    parent: '',
    lastTagged: 0,
    ...change,
  };
}

export class FakeImages implements ImageService {
  items: Image[] = [fakeImage()];
  received = 0;
  pullSignal: AbortSignal | undefined;
  calls: unknown[] = [];
  onPull: ImageService['pull'] = async (_reference, options) => {
    options.report({ id: 'abc', status: 'Downloading', current: 50, total: 100 });
    options.report({ status: 'Status: Downloaded newer image' });
    return fakeImage();
  };

  find(ref: string): Image | undefined {
    return this.items.find(
      (item) => item.id === ref || item.repoTags.includes(ref) || item.repoTags.includes(`${ref}:latest`),
    );
  }

  get(ref: string): Image {
    const image = this.find(ref);
    if (image === undefined) throw new TareError('not-found', `No such image: ${ref}`);
    return image;
  }

  list(): Image[] {
    return [...this.items];
  }

  async tag(ref: string, target: string) {
    this.calls.push(['tag', ref, target]);
  }

  async remove(ref: string) {
    this.get(ref);
    return [{ untagged: 'nginx:latest' }, { deleted: IMAGE_ID }];
  }

  async prune(matches: (image: Image) => boolean) {
    return { removed: this.items.filter(matches).map((item) => ({ deleted: item.id })), reclaimed: 1 };
  }

  pull(...args: Parameters<ImageService['pull']>) {
    this.calls.push(['pull', args[0], args[1].platform, args[1].auth]);
    this.pullSignal = args[1].signal;
    return this.onPull(...args);
  }

  async #drain(tar: ReadableStream<Uint8Array>) {
    for await (const chunk of tar) this.received += chunk.length;
  }

  async load(tar: ReadableStream<Uint8Array>) {
    await this.#drain(tar);
    return ['nginx:latest'];
  }

  async save(refs: readonly string[]) {
    this.calls.push(['save', ...refs]);
    return byteStream(['saved']);
  }

  async importTar(tar: ReadableStream<Uint8Array>, options: object) {
    await this.#drain(tar);
    this.calls.push(['import', options]);
    return IMAGE_ID;
  }

  createImage(): Promise<Image> {
    return refuse();
  }

  layersSize(): number {
    return 100;
  }
}

export const fakeNetwork: Network = {
  id: 'ab'.repeat(32),
  name: 'bridge',
  driver: 'bridge',
  bridgeName: 'tare0',
  subnets: [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }],
  internal: false,
  mtu: 1500,
  icc: true,
  masquerade: true,
  hostBinding: '0.0.0.0',
  createdAt: NOW,
  scope: 'local',
  enableIPv6: false,
  attachable: false,
  labels: {},
  options: {},
  ipamDriver: 'default',
  ipamOptions: {},
};

class FakeVolumes implements VolumeService {
  items = new Map<string, Volume>();
  find(name: string) {
    return this.items.get(name);
  }
  get(name: string): Volume {
    const volume = this.items.get(name);
    if (volume === undefined) throw new TareError('not-found', `get ${name}: no such volume`);
    return volume;
  }
  list() {
    return [...this.items.values()];
  }
  async create({ name, labels }: { name: string; labels: Readonly<Record<string, string>> }) {
    const volume: Volume = {
      name,
      driver: 'local',
      mountpoint: `/v/${name}/_data`,
      createdAt: NOW,
      labels,
      options: {},
      anonymous: false,
    };
    this.items.set(name, volume);
    return volume;
  }
  async remove(name: string) {
    this.get(name);
    this.items.delete(name);
  }
  async prune(matches: (volume: Volume) => boolean) {
    return {
      deleted: this.list()
        .filter(matches)
        .map((volume) => volume.name),
      reclaimed: 0,
    };
  }
}

const limits = {
  memory: true,
  swap: true,
  oomKillDisable: true,
  cpuCfsPeriod: true,
  cpuCfsQuota: true,
  cpuShares: true,
  cpuSet: true,
  pids: true,
};

const info: SystemInfo = {
  id: 'id',
  containers: { running: 1, paused: 0, stopped: 0 },
  images: 1,
  storageDriver: 'overlay',
  storageStatus: [],
  networkDrivers: ['bridge', 'host', 'null'],
  logDrivers: ['json-file'],
  limits,
  cgroupVersion: 1,
  ipv4Forwarding: true,
  debug: false,
  openFiles: 3,
  eventListeners: 0,
  now: NOW,
  kernelVersion: '6',
  operatingSystem: 'Debian',
  osVersion: '12',
  architecture: 'x86_64',
  cpus: 2,
  memory: 1024,
  dataRoot: '/d',
  hostname: 'host',
  labels: [],
  runtime: { name: 'crun', path: '/usr/bin/crun', version: '1' },
  initVersion: '',
  securityOptions: [],
  insecureRegistries: [],
  mirrors: [],
  proxies: { http: '', https: '', no: '' },
  warnings: [],
};

/** An engine in memory. */
export function fakeDependencies() {
  const containers = new FakeContainers();
  const images = new FakeImages();
  const volumes = new FakeVolumes();
  const networks = {
    items: [fakeNetwork],
    created: [] as unknown[],
    list: () => networks.items,
    get(ref: string): Network {
      const found = networks.items.find((item) => item.name === ref || item.id.startsWith(ref));
      if (found === undefined) throw new TareError('not-found', `network ${ref} not found`);
      return found;
    },
    async create(request: unknown) {
      networks.created.push(request);
      return { id: 'cd'.repeat(32), warning: '' };
    },
    async remove(ref: string) {
      if (networks.get(ref).name === 'bridge') {
        throw new TareError('forbidden', 'bridge is a pre-defined network and cannot be removed');
      }
    },
  };
  const dependencies = {
    containers,
    images,
    networks,
    volumes,
    events: new EventLog(silentLogger),
    system: {
      version: () => ({
        version: '0.1.0',
        gitCommit: 'abc',
        buildTime: '',
        os: 'linux',
        arch: 'amd64',
        kernelVersion: '6',
        components: [{ name: 'crun', version: '1' }],
        engineRuntime: 'bun 1',
      }),
      info: async () => info,
    },
    log: silentLogger,
    compileQuery,
    paths: (id: string) => ({
      resolvConf: `/c/${id}/resolv.conf`,
      hostname: `/c/${id}/hostname`,
      hosts: `/c/${id}/hosts`,
      log: `/c/${id}/log`,
      root: '',
    }),
    storageDriver: 'overlay',
    version: '0.1.0',
    now: () => NOW,
  } satisfies ApiDependencies;
  return dependencies;
}
