import { arch, availableParallelism, hostname, machine, release } from 'node:os';
import type { CdiRegistry } from '../../runtime/cdi/cdi-registry.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import type { Container } from '../containers/model.ts';
import { limitSupport, limitWarnings } from './limit-support.ts';
import { Machine } from './machine.ts';
import type { SystemInfo, SystemService, SystemVersion } from './system.ts';

export interface HostSystemOptions {
  /** A stable id of this data root. */
  readonly id: string;
  readonly version: string;
  readonly gitCommit: string;
  readonly buildTime: string;
  readonly dataRoot: string;
  readonly labels: readonly string[];
  readonly liveRestore: boolean;
  readonly storageDriver: string;
  readonly storageStatus: ReadonlyArray<readonly [string, string]>;
  readonly networkDrivers: readonly string[];
  readonly volumeDrivers: () => readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly mirrors: readonly string[];
  readonly proxies: SystemInfo['proxies'];
  readonly runtime: { readonly name: string; readonly path: string; readonly version: string };
  /** Name and version of further parts: conmon, … */
  readonly components: ReadonlyArray<{ readonly name: string; readonly version: string }>;
  /** Version of the program that `--init` runs, or empty. */
  readonly initVersion: string;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  readonly containers: { list(): readonly Container[] };
  readonly images: { list(): readonly unknown[] };
  readonly eventListeners: () => number;
  readonly debug: () => boolean;
  /** The driver of containers that name none. */
  readonly logDriver: () => string;
  readonly logDrivers: readonly string[];
  /** Containers get user namespaces of their own. */
  readonly userNamespaces: boolean;
  readonly cdi: Pick<CdiRegistry, 'directories' | 'list'>;
  readonly machine?: Machine;
  /** What containers are limited with: `info` says what `create` can do. */
  readonly facts: Pick<MachineFacts, 'cgroupVersion' | 'cgroups'>;
}

/** Docker's names of processor architectures. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

interface StaticFacts {
  readonly os: { readonly name: string; readonly version: string };
  readonly memory: number;
}

/** The system service of a daemon on this machine. What cannot change while it runs is read once. */
export class HostSystem implements SystemService {
  readonly #options: HostSystemOptions;
  readonly #machine: Machine;
  readonly #version: SystemVersion;
  #static: StaticFacts | undefined;

  constructor(options: HostSystemOptions) {
    this.#options = options;
    this.#machine = options.machine ?? new Machine();
    const { runtime } = options;
    this.#version = {
      version: options.version,
      gitCommit: options.gitCommit,
      buildTime: options.buildTime,
      os: 'linux',
      arch: ARCHITECTURES[arch()] ?? arch(),
      kernelVersion: release(),
      components: [{ name: runtime.name, version: runtime.version }, ...options.components],
      engineRuntime: `bun ${Bun.version}`,
    };
  }

  version(): SystemVersion {
    return this.#version;
  }

  #readStatic(): StaticFacts {
    return {
      os: this.#machine.operatingSystem(),
      memory: this.#machine.memory(),
    };
  }

  async info(): Promise<SystemInfo> {
    const { containers, images, ...options } = this.#options;
    this.#static ??= this.#readStatic();
    const { os, memory } = this.#static;
    const { cgroupVersion, cgroups } = options.facts;
    const ipv4Forwarding = this.#machine.ipv4Forwarding();
    return {
      id: options.id,
      containers: countContainers(containers.list()),
      images: images.list().length,
      storageDriver: options.storageDriver,
      storageStatus: options.storageStatus,
      networkDrivers: options.networkDrivers,
      volumeDrivers: options.volumeDrivers(),
      logDrivers: options.logDrivers,
      logDriver: options.logDriver(),
      limits: limitSupport(cgroups),
      cgroupDriver: options.cgroupDriver,
      cgroupVersion,
      ipv4Forwarding,
      debug: options.debug(),
      openFiles: this.#machine.openFiles(),
      eventListeners: options.eventListeners(),
      now: Date.now(),
      kernelVersion: release(),
      operatingSystem: os.name,
      osVersion: os.version,
      architecture: machine(),
      cpus: availableParallelism(),
      memory,
      dataRoot: options.dataRoot,
      hostname: hostname(),
      labels: options.labels,
      liveRestore: options.liveRestore,
      runtime: options.runtime,
      initVersion: options.initVersion,
      cdiDirectories: options.cdi.directories(),
      cdiDevices: options.cdi.list().devices,
      securityOptions: [
        'name=seccomp,profile=builtin',
        ...(options.userNamespaces ? ['name=userns'] : []),
        ...(cgroupVersion === 2 ? ['name=cgroupns'] : []),
      ],
      insecureRegistries: options.insecureRegistries,
      mirrors: options.mirrors,
      proxies: {
        http: withoutUser(options.proxies.http),
        https: withoutUser(options.proxies.https),
        no: options.proxies.no,
      },
      warnings: [
        ...limitWarnings(cgroups, cgroupVersion),
        ...(ipv4Forwarding ? [] : ['WARNING: IPv4 forwarding is disabled']),
      ],
    };
  }
}

/** Everybody who may ask for `info` sees it: as dockerd does, it masks a proxy's user and password. */
function withoutUser(proxy: string): string {
  return proxy.replace(/^((?:[a-z]+:)?\/\/)?[^/@]*@/i, '$1xxxxx:xxxxx@');
}

function countContainers(containers: readonly Container[]): SystemInfo['containers'] {
  let running = 0;
  let paused = 0;
  for (const { state } of containers) {
    if (state.status === 'paused') paused += 1;
    else if (state.status === 'running' || state.status === 'restarting') running += 1;
  }
  return { running, paused, stopped: containers.length - running - paused };
}
