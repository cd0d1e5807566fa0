import type { ImageHealthcheck } from '../../oci/image-config.ts';
import type { Image } from '../images/images.ts';
import type { Death, Ending } from './death.ts';
import type { UserMapping } from './user-mapping.ts';

/** What a container runs, after the image's defaults were merged in. Docker's `Config`. */
export interface ContainerConfig {
  hostname: string;
  domainname: string;
  user: string;
  attachStdin: boolean;
  attachStdout: boolean;
  attachStderr: boolean;
  tty: boolean;
  openStdin: boolean;
  stdinOnce: boolean;
  /** `KEY=value`, or `KEY` to remove. */
  env: string[];
  cmd: string[] | null;
  entrypoint: string[] | null;
  /** The image as the user named it. */
  image: string;
  workingDir: string;
  labels: Record<string, string>;
  /** `80/tcp` → {}. */
  exposedPorts: Record<string, Record<string, never>>;
  volumes: Record<string, Record<string, never>>;
  stopSignal?: string;
  /** Seconds; undefined means Docker's 10. */
  stopTimeout?: number;
  healthcheck?: ImageHealthcheck;
  shell?: string[];
  networkDisabled?: boolean;
  macAddress?: string;
  onBuild?: string[] | null;
  argsEscaped?: boolean;
}

/** How the host runs it. Docker's `HostConfig`: fields keep Docker's meaning and units; names are camelCase. */
export interface HostConfig {
  binds: string[];
  mounts: MountRequest[];
  containerIDFile: string;
  logConfig: { type: string; config: Record<string, string> };
  networkMode: string;
  /** `80/tcp` → bindings. */
  portBindings: Record<string, PortBinding[]>;
  restartPolicy: { name: string; maximumRetryCount: number };
  autoRemove: boolean;
  volumeDriver: string;
  volumesFrom: string[];
  consoleSize: [number, number];
  annotations: Record<string, string>;
  capAdd: string[];
  capDrop: string[];
  cgroupnsMode: string;
  dns: string[];
  dnsOptions: string[];
  dnsSearch: string[];
  extraHosts: string[];
  groupAdd: string[];
  ipcMode: string;
  cgroup: string;
  links: string[];
  oomScoreAdj: number;
  pidMode: string;
  privileged: boolean;
  publishAllPorts: boolean;
  readonlyRootfs: boolean;
  securityOpt: string[];
  storageOpt: Record<string, string>;
  tmpfs: Record<string, string>;
  utsMode: string;
  usernsMode: string;
  /** Bytes. */
  shmSize: number;
  sysctls: Record<string, string>;
  runtime: string;
  isolation: string;
  maskedPaths: string[] | null;
  readonlyPaths: string[] | null;
  init: boolean | null;
  /** Beyond Docker: a container that becomes unhealthy is started again. */
  restartUnhealthy?: boolean;
  resources: Resources;
}

/** Limits; 0 means none. Bytes, nanoseconds, microseconds and shares as Docker has them. */
export interface Resources {
  cpuShares: number;
  memory: number;
  nanoCpus: number;
  cgroupParent: string;
  blkioWeight: number;
  blkioWeightDevice: Array<{ path: string; weight: number }>;
  blkioDeviceReadBps: ThrottleDevice[];
  blkioDeviceWriteBps: ThrottleDevice[];
  blkioDeviceReadIOps: ThrottleDevice[];
  blkioDeviceWriteIOps: ThrottleDevice[];
  cpuPeriod: number;
  cpuQuota: number;
  cpuRealtimePeriod: number;
  cpuRealtimeRuntime: number;
  cpusetCpus: string;
  cpusetMems: string;
  devices: Array<{ pathOnHost: string; pathInContainer: string; cgroupPermissions: string }>;
  deviceCgroupRules: string[];
  deviceRequests: DeviceRequest[];
  memoryReservation: number;
  /** -1: unlimited swap. */
  memorySwap: number;
  /** -1 or null: the kernel's. */
  memorySwappiness: number | null;
  oomKillDisable: boolean | null;
  /** 0 or -1 or null: none. */
  pidsLimit: number | null;
  ulimits: Array<{ name: string; soft: number; hard: number }>;
  /** Beyond Docker: files of cgroup v2 and what to write to them (`memory.high` → `512M`). */
  cgroupConf?: Record<string, string>;
}

export interface ThrottleDevice {
  path: string;
  rate: number;
}

export interface DeviceRequest {
  driver: string;
  count: number;
  deviceIDs: string[] | null;
  capabilities: string[][] | null;
  options: Record<string, string> | null;
}

export interface PortBinding {
  hostIp: string;
  /** A port, a range `8000-8010`, or empty for any. */
  hostPort: string;
}

/** A `--mount`. */
export interface MountRequest {
  type: 'bind' | 'volume' | 'tmpfs' | 'image' | 'npipe' | 'cluster';
  source: string;
  target: string;
  readOnly: boolean;
  consistency: string;
  bindOptions?: {
    propagation: string;
    nonRecursive: boolean;
    createMountpoint: boolean;
    readOnlyNonRecursive: boolean;
    readOnlyForceRecursive: boolean;
    /** Beyond Docker: `owner`, or `UID:GID` of the host that the container's user is to be. */
    idmap?: string;
  };
  volumeOptions?: {
    noCopy: boolean;
    labels: Record<string, string>;
    subpath: string;
    driverConfig?: { name: string; options: Record<string, string> };
  };
  tmpfsOptions?: { sizeBytes: number; mode: number; options: string[][] };
  imageOptions?: { subpath: string };
}

/** Settings of one endpoint as asked for. */
export interface EndpointSettings {
  ipv4Address: string;
  ipv6Address: string;
  linkLocalIPs: string[];
  links: string[];
  aliases: string[];
  macAddress: string;
  driverOpts: Record<string, string>;
  gwPriority: number;
}

/** The body of a create request. */
export interface CreateContainer {
  /** Without a slash; undefined: one is made up. */
  name: string | undefined;
  /** `os/arch[/variant]` or undefined. */
  platform: string | undefined;
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** By network name or id. */
  endpoints: Record<string, EndpointSettings>;
  /** Of a build: what stands in for the image of the configuration, and for those that mounts name. */
  base?: Image;
  views?: ReadonlyMap<string, Image>;
  /** Mounts below read-only binds of `-v` stay writable, as clients from before API 1.44 count on. */
  writableBelowBinds?: boolean;
}

export type ContainerStatus =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'removing'
  | 'exited'
  | 'dead';

/** One run of a health check. Times are milliseconds since the epoch. */
export interface ProbeResult {
  readonly start: number;
  readonly end: number;
  /** 0: healthy; -1: it did not run or exceeded its time. */
  readonly exitCode: number;
  readonly output: string;
}

/** What health checks found, as of the last one. */
export interface Health {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  /** Failures in a row. */
  readonly failingStreak: number;
  /** The last five, oldest first. */
  readonly log: readonly ProbeResult[];
}

/** What changes while a container lives. Times are milliseconds since the epoch, 0 for never. */
export interface ContainerState {
  status: ContainerStatus;
  pid: number;
  monitorPid: number;
  exitCode: number;
  exitCodeKnown: boolean;
  /** Why a start failed. */
  error: string;
  oomKilled: boolean;
  startedAt: number;
  finishedAt: number;
  restartCount: number;
  /** The user stopped it: restart policies leave it alone. */
  manuallyStopped: boolean;
  /** Of a container with a health check that was started. */
  health?: Health | undefined;
  /** Which boot of the machine it was started in. */
  boot?: string;
  /** Why Tare is ending it, or ended it last. */
  ending?: Ending | undefined;
  /** Its last end. */
  death?: Death | undefined;
}

/** A mount as resolved at create time; what `inspect` shows under `Mounts`. */
export interface MountPoint {
  type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Volume name, empty for others. */
  name: string;
  /** Path on the host. */
  source: string;
  destination: string;
  driver: string;
  /** The `:z`, `:ro`… part of -v. */
  mode: string;
  readWrite: boolean;
  propagation: string;
  /** Made for this container: removed with `rm -v`/`--rm`. */
  anonymous: boolean;
  /** Copy the image's content into an empty volume at first start. */
  copyUp: boolean;
  /** Given as -v (true) or --mount. */
  fromBind: boolean;
  /** mount options of a tmpfs. */
  options: string[];
  /** Of a volume or an image: the part of it that is mounted. */
  subpath?: string;
  /** Of a bind: what is mounted below its source does not come along, or stays writable when the bind is not. */
  below?: 'left-out' | 'writable';
  /** Of a bind: the host's user that the container's user is there (bind-idmap.ts). */
  idmap?: string;
  /** Of a bind by --mount: a missing source is made. */
  createSource?: boolean;
  /** Of an image: its id, and its layers, bottom first. */
  image?: { id: string; layers: readonly string[] };
}

/** An endpoint as stored. */
export interface ContainerEndpoint {
  networkId: string;
  networkName: string;
  endpointId: string;
  settings: EndpointSettings;
  interfaceName: string;
  hostInterface: string;
  macAddress: string;
  /** With prefix length; empty while not connected. */
  ipv4: string;
  ipv6: string;
  gateway: string;
  ipv6Gateway: string;
  defaultGateway: boolean;
}

/** A published port as it is now. */
export interface PublishedPort {
  protocol: 'tcp' | 'udp' | 'sctp';
  containerPort: number;
  hostIp: string;
  hostPort: number;
  /** Another program took it while no daemon was there. */
  taken?: boolean;
}

/** One container: the row of the database, and the object that services hand around (never mutated outside). */
export interface Container {
  readonly id: string;
  /** Without a slash. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** `sha256:…` of the image's config. */
  readonly imageId: string;
  readonly platform: string;
  /** Layer chain it was made from, bottom first. */
  readonly layers: readonly string[];
  readonly snapshotter: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly mounts: readonly MountPoint[];
  readonly endpoints: readonly ContainerEndpoint[];
  readonly ports: readonly PublishedPort[];
  readonly state: ContainerState;
  /** With `--userns keep-id`: the maps of its user namespace. */
  readonly mapping?: UserMapping;
  /** Names that legacy links of other containers give it (`PARENT/ALIAS`); in lists only, never stored. */
  readonly linkNames?: readonly string[];
}
