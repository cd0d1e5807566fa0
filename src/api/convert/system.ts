import type { SystemInfo, SystemVersion } from '../../engine/system/system.ts';
import type { InfoResponse, VersionResponse } from '../../wire/system.ts';
import { rfc3339 } from '../time.ts';
import { API_VERSION, MIN_API_VERSION_TEXT } from '../versions.ts';

/** Answer of `GET /version`. */
export function versionToWire(version: SystemVersion): VersionResponse {
  const wire: VersionResponse = {
    Platform: { Name: 'Tare' },
    Components: [
      {
        Name: 'Engine',
        Version: version.version,
        Details: {
          ApiVersion: API_VERSION,
          Arch: version.arch,
          BuildTime: version.buildTime,
          Experimental: 'false',
          GitCommit: version.gitCommit,
          GoVersion: version.engineRuntime,
          KernelVersion: version.kernelVersion,
          MinAPIVersion: MIN_API_VERSION_TEXT,
          Os: version.os,
        },
      },
      ...version.components.map(({ name, version: of }) => ({
        Name: name,
        Version: of,
        Details: { GitCommit: '' },
      })),
    ],
    Version: version.version,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION_TEXT,
    GitCommit: version.gitCommit,
    GoVersion: version.engineRuntime,
    Os: version.os,
    Arch: version.arch,
    KernelVersion: version.kernelVersion,
  };
  if (version.buildTime !== '') wire.BuildTime = version.buildTime;
  return wire;
}

/** Answer of `GET /info`. `api` is the API's minor number. */
export function infoToWire(info: SystemInfo, serverVersion: string, api: number): InfoResponse {
  const { limits, containers, runtime } = info;
  const commit = (id: string) => (api < 49 ? { ID: id, Expected: id } : { ID: id });
  const wire: InfoResponse = {
    ID: info.id,
    Containers: containers.running + containers.paused + containers.stopped,
    ContainersRunning: containers.running,
    ContainersPaused: containers.paused,
    ContainersStopped: containers.stopped,
    Images: info.images,
    Driver: info.storageDriver,
    DriverStatus: info.storageStatus.map(([name, value]) => [name, value]),
    Plugins: {
      Volume: [...info.volumeDrivers],
      Network: [...info.networkDrivers],
      Authorization: null,
      Log: [...info.logDrivers],
    },
    MemoryLimit: limits.memory,
    SwapLimit: limits.swap,
    CpuCfsPeriod: limits.cpuCfsPeriod,
    CpuCfsQuota: limits.cpuCfsQuota,
    CPUShares: limits.cpuShares,
    CPUSet: limits.cpuSet,
    PidsLimit: limits.pids,
    IPv4Forwarding: info.ipv4Forwarding,
    Debug: info.debug,
    NFd: info.openFiles,
    OomKillDisable: limits.oomKillDisable,
    NGoroutines: 0,
    SystemTime: rfc3339(info.now),
    LoggingDriver: info.logDriver,
    CgroupDriver: info.cgroupDriver,
    CgroupVersion: String(info.cgroupVersion),
    NEventsListener: info.eventListeners,
    KernelVersion: info.kernelVersion,
    OperatingSystem: info.operatingSystem,
    OSVersion: info.osVersion,
    OSType: 'linux',
    Architecture: info.architecture,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(info),
    NCPU: info.cpus,
    MemTotal: info.memory,
    GenericResources: null,
    DockerRootDir: info.dataRoot,
    HttpProxy: info.proxies.http,
    HttpsProxy: info.proxies.https,
    NoProxy: info.proxies.no,
    Name: info.hostname,
    Labels: [...info.labels],
    ExperimentalBuild: false,
    ServerVersion: serverVersion,
    Runtimes: { [runtime.name]: { path: runtime.path } },
    DefaultRuntime: runtime.name,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: info.liveRestore,
    Isolation: '',
    InitBinary: 'tare-init',
    ContainerdCommit: commit(''),
    RuncCommit: commit(runtime.version),
    InitCommit: commit(info.initVersion),
    SecurityOptions: [...info.securityOptions],
    CDISpecDirs: [...info.cdiDirectories],
    Warnings: info.warnings.length === 0 ? null : [...info.warnings],
  };
  if (api >= 49) wire.FirewallBackend = { Driver: 'nftables' };
  if (api >= 50 && info.cdiDevices.length > 0) {
    wire.DiscoveredDevices = info.cdiDevices.map((name) => ({ Source: 'cdi', ID: name }));
  }
  if (api < 50) {
    wire.BridgeNfIptables = false;
    wire.BridgeNfIp6tables = false;
  }
  return wire;
}

function registryConfig(info: SystemInfo): InfoResponse['RegistryConfig'] {
  const config: NonNullable<InfoResponse['RegistryConfig']> = {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8'],
    IndexConfigs: {
      'docker.io': { Mirrors: [...info.mirrors], Name: 'docker.io', Official: true, Secure: true },
    },
    Mirrors: info.mirrors.length === 0 ? null : [...info.mirrors],
  };
  for (const registry of info.insecureRegistries) {
    if (/^[\d.]+\/\d+$|^[0-9a-fA-F:]+\/\d+$/.test(registry)) config.InsecureRegistryCIDRs.push(registry);
    else config.IndexConfigs[registry] = { Mirrors: [], Name: registry, Official: false, Secure: false };
  }
  return config;
}
