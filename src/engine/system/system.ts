/** Facts about the daemon and its machine, for `version` and `info`. */
export interface SystemService {
  version(): SystemVersion;
  info(): Promise<SystemInfo>;
}

export interface SystemVersion {
  readonly version: string;
  readonly gitCommit: string;
  /** RFC 3339 or empty. */
  readonly buildTime: string;
  readonly os: string;
  /** Docker's names: amd64, arm64, … */
  readonly arch: string;
  readonly kernelVersion: string;
  /** Name and version of the OCI runtime, of the monitor, … */
  readonly components: ReadonlyArray<{ readonly name: string; readonly version: string }>;
  /** Of JavaScript's runtime, where Docker has Go's. */
  readonly engineRuntime: string;
}

/** Which limits the machine can set. */
export interface LimitSupport {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuCfsPeriod: boolean;
  readonly cpuCfsQuota: boolean;
  readonly cpuShares: boolean;
  readonly cpuSet: boolean;
  readonly pids: boolean;
}

export interface SystemInfo {
  /** Stable over restarts. */
  readonly id: string;
  readonly containers: { readonly running: number; readonly paused: number; readonly stopped: number };
  readonly images: number;
  readonly storageDriver: string;
  readonly storageStatus: ReadonlyArray<readonly [string, string]>;
  readonly networkDrivers: readonly string[];
  readonly volumeDrivers: readonly string[];
  readonly logDrivers: readonly string[];
  /** The driver of containers that name none. */
  readonly logDriver: string;
  readonly limits: LimitSupport;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  readonly cgroupVersion: 1 | 2;
  readonly ipv4Forwarding: boolean;
  readonly debug: boolean;
  readonly openFiles: number;
  readonly eventListeners: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  /** As `uname -m` has it. */
  readonly architecture: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly dataRoot: string;
  readonly hostname: string;
  readonly labels: readonly string[];
  /** Containers outlive the daemon. */
  readonly liveRestore: boolean;
  readonly runtime: { readonly name: string; readonly path: string; readonly version: string };
  readonly initVersion: string;
  readonly securityOptions: readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly mirrors: readonly string[];
  readonly proxies: { readonly http: string; readonly https: string; readonly no: string };
  /** Where descriptions of devices (CDI) are, and the names of those devices. */
  readonly cdiDirectories: readonly string[];
  readonly cdiDevices: readonly string[];
  readonly warnings: readonly string[];
}
