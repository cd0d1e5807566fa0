import type { ApiDependencies } from '../../../src/api/dependencies.ts';
import { TareError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { compileQuery } from '../../../src/engine/containers/query.ts';
import { EventLog } from '../../../src/engine/events/event-log.ts';
import type { RegistryAuth } from '../../../src/engine/images/images.ts';
import type { RegistryAccess } from '../../../src/engine/images/registries.ts';
import type { Network } from '../../../src/engine/networks/networks.ts';
import type { SystemInfo } from '../../../src/engine/system/system.ts';
import type { Volume, VolumeService } from '../../../src/engine/volumes/volumes.ts';
import { MEDIA_TYPES } from '../../../src/oci/manifest.ts';
import { canonicalString, type Reference } from '../../../src/oci/reference.ts';
import { FakeContainers, NOW } from './fake-containers.ts';
import { FakeImages } from './fake-images.ts';
import { FakeStatistics } from './fake-statistics.ts';

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
      scope: 'local',
      mountpoint: `/v/${name}/_data`,
      createdAt: NOW,
      labels,
      options: {},
      anonymous: false,
    };
    this.items.set(name, volume);
    return volume;
  }
  async inspect(name: string) {
    return this.get(name);
  }
  async listAll() {
    return { volumes: this.list(), warnings: [] };
  }
  async acquire(request: { name: string; labels: Readonly<Record<string, string>> }) {
    return { volume: await this.create(request), created: true };
  }
  release() {}
  async mount(name: string) {
    return this.get(name).mountpoint;
  }
  async unmount() {}
  unclaim() {}
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

class FakeVolumeCopies {
  constructor(readonly volumes: FakeVolumes) {}
  async export(name: string) {
    this.volumes.get(name);
    return new Blob(['tar']).stream();
  }
  async import(name: string, tar: ReadableStream<Uint8Array>) {
    return this.volumes.create({ name, labels: { bytes: await new Response(tar).text() } });
  }
  async clone(_from: string, name: string, labels: Readonly<Record<string, string>>) {
    return this.volumes.create({ name, labels });
  }
  async rename(before: string, name: string) {
    return { ...this.volumes.get(before), name };
  }
}

class FakeRegistries implements RegistryAccess {
  calls: unknown[] = [];
  async checkLogin(server: string, auth: RegistryAuth) {
    this.calls.push([server, auth]);
    if (auth.password === 'wrong') {
      throw new TareError(
        'unauthorized',
        'Get "https://r/v2/": unauthorized: incorrect username or password',
      );
    }
    return { identityToken: auth.username === 'token' ? 'refresh' : '' };
  }
  async inspect(ref: Reference, options: { auth?: RegistryAuth }) {
    this.calls.push([canonicalString(ref), options.auth]);
    const descriptor = { mediaType: MEDIA_TYPES.ociIndex, digest: `sha256:${'a'.repeat(64)}`, size: 1234 };
    return { descriptor, platforms: [{ architecture: 'arm', os: 'linux', variant: 'v7' }] };
  }
  async search(term: string, options: { limit: number; auth?: RegistryAuth }) {
    this.calls.push([term, options.limit, options.auth]);
    return [
      { name: 'nginx', description: 'Official build', stars: 20000, official: true },
      { name: 'me/nginx', description: '', stars: 3, official: false },
    ];
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
  volumeDrivers: ['local'],
  logDrivers: ['json-file'],
  cdiDirectories: ['/etc/cdi', '/var/run/cdi'],
  cdiDevices: ['example.com/device=one'],
  logDriver: 'json-file',
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
  liveRestore: true,
  labels: [],
  runtime: { name: 'crun', path: '/usr/bin/crun', version: '1' },
  initVersion: '',
  cgroupDriver: 'cgroupfs',
  securityOptions: [],
  insecureRegistries: [],
  mirrors: [],
  proxies: { http: '', https: '', no: '' },
  warnings: [],
};

/** Copies what is put, and gives it back. */
class FakeArchives {
  readonly #containers: FakeContainers;
  #tar = new Uint8Array();

  constructor(containers: FakeContainers) {
    this.#containers = containers;
  }

  async stat(ref: string, path: string) {
    this.#containers.get(ref);
    if (path === '/nope')
      throw new TareError('not-found', `Could not find the file ${path} in container ${ref}`);
    const name = path.slice(path.lastIndexOf('/') + 1);
    return {
      name,
      size: 5,
      mode: 0o104755,
      seconds: 1_000_000_000,
      nanoseconds: 120_000_000,
      linkTarget: '',
    };
  }

  async get(ref: string, path: string) {
    const status = await this.stat(ref, path);
    return { status, tar: new Response(this.#tar).body! };
  }

  async put(_ref: string, _path: string, tar: ReadableStream<Uint8Array>) {
    this.#tar = new Uint8Array(await new Response(tar).arrayBuffer());
  }
}

class FakeImageMounts {
  readonly #images: FakeImages;
  readonly #mounted = new Set<string>();

  constructor(images: FakeImages) {
    this.#images = images;
  }

  mount(ref: string) {
    const image = this.#images.get(ref);
    this.#mounted.add(image.id);
    return { image, path: `/view/${image.id}` };
  }

  unmount(ref: string) {
    const image = this.#images.get(ref);
    if (!this.#mounted.delete(image.id)) throw new TareError('not-found', `the image ${ref} is not mounted`);
    return { image, path: `/view/${image.id}` };
  }

  list() {
    return [...this.#mounted].map((id) => ({ image: this.#images.get(id), path: `/view/${id}` }));
  }
}

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
    statistics: new FakeStatistics(containers),
    images,
    registries: new FakeRegistries(),
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
    check: { async *run() {} },
    imageRegistry: { serve: () => ({ address: '127.0.0.1:1', close: async () => {} }) },
    archives: new FakeArchives(containers),
    dockerfileChecks: {
      check: () => ({ warnings: [], error: undefined }),
      checkContext: async () => ({ warnings: [], error: undefined, text: '' }),
    },
    builder: {
      build: async () => ({
        id: `sha256:${'b'.repeat(64)}`,
        config: { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] } },
        layers: [],
        keys: [],
        warnings: [],
      }),
      remoteContext: async () => ({ context: new Blob([]).stream(), dockerfile: '' }),
    },
    buildCache: { list: async () => [], prune: async () => ({ deleted: [], reclaimed: 0 }) },
    buildOutputs: {
      cacheImages: {
        pack: async () => '',
        inline: async () => '',
        ofLayers: () => [],
        takeIn: async () => 0,
      },
      cacheMounts: { export: async () => new Blob([]).stream(), import: async () => {} },
      squash: { squash: async (id: string) => id },
      rootFiles: { tar: async () => new Blob([]).stream() },
    },
    keptContexts: {
      begin: () => Promise.reject(new Error('no contexts here')),
      list: () => [],
      remove: async () => 0,
      sweep: async () => {},
      close: () => {},
    },
    buildkit: () => Promise.reject(new Error('no BuildKit here')),
    imageMounts: new FakeImageMounts(images),
    volumeCopies: new FakeVolumeCopies(volumes),
    explainer: { explain: async (target: string) => ({ target, summary: '', findings: [] }) },
    storageDriver: 'overlay',
    version: '0.1.0',
    now: () => NOW,
  } satisfies ApiDependencies;
  return dependencies;
}
