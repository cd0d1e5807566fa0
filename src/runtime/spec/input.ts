import type { IdRange } from '../../kernel/user-namespace.ts';
import type { OciDevice, OciUser } from './oci-spec.ts';
import type { SecurityOptions } from './security-options.ts';

/**
 * Everything that an OCI configuration is made of, with all questions to the machine, the image and the network
 * answered beforehand: `buildSpec` is a pure function of it.
 */
export interface SpecInput {
  readonly id: string;
  /** Absolute path of the mounted root. */
  readonly rootfs: string;
  readonly readonlyRootfs: boolean;
  readonly args: readonly string[];
  /** Image's and user's variables, in order; `KEY` without `=` removes one. */
  readonly env: readonly string[];
  /** Empty: `/`. */
  readonly workingDir: string;
  readonly terminal: boolean;
  readonly consoleSize: { readonly height: number; readonly width: number } | undefined;
  readonly user: ResolvedUser;
  readonly hostname: string;
  readonly domainname: string;
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly security: SecurityOptions;
  readonly namespaces: NamespaceChoices;
  /** A user namespace of its own with these maps, or another container's; undefined: the host's. */
  readonly userNamespace?: UserNamespaceChoice | undefined;
  /** /dev/shm: a tmpfs of that many bytes (0: Docker's 64 MiB), a directory of the host, or none. */
  readonly shm: { readonly size: number } | { readonly path: string } | undefined;
  readonly mounts: readonly SpecMount[];
  /** Path of the init program on the host; undefined: none. */
  readonly init: string | undefined;
  /** `--device`, looked up. For a privileged container: all of the host's. */
  readonly devices: readonly SpecDevice[];
  /** `c 1:3 rwm` and its like. */
  readonly deviceCgroupRules: readonly string[];
  readonly resources: SpecResources;
  readonly ulimits: readonly Ulimit[];
  readonly oomScoreAdj: number;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Below every hierarchy, with a leading slash. */
  readonly cgroupsPath: string;
  /** null: Docker's. */
  readonly maskedPaths: readonly string[] | null;
  readonly readonlyPaths: readonly string[] | null;
  readonly machine: MachineFacts;
}

/** A user of the container, with names resolved in its image. */
export interface ResolvedUser extends OciUser {
  readonly additionalGids: readonly number[];
  /** Home directory by /etc/passwd, `/` when it has none. */
  readonly home: string;
}

/** `private`: a new one; `host`: the daemon's; else an existing one's path. */
export type NamespaceChoice = 'private' | 'host' | { readonly path: string };

export type UserNamespaceChoice =
  | { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] }
  | { readonly path: string };

export interface NamespaceChoices {
  readonly network: NamespaceChoice;
  readonly pid: NamespaceChoice;
  readonly ipc: NamespaceChoice;
  readonly uts: 'private' | 'host';
  readonly cgroup: 'private' | 'host';
}

/** A mount that was asked for; its source exists. */
export interface SpecMount {
  readonly type: 'bind' | 'tmpfs';
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Of a bind: `rprivate` (when empty), `rshared`, … */
  readonly propagation: string;
  /** Of a bind: what is mounted below the source comes along. */
  readonly recursive: boolean;
  /** Of a tmpfs: what the user asked for (`size=64m`, `exec`). */
  readonly options: readonly string[];
}

export interface SpecDevice extends OciDevice {
  /** `rwm` or a part of it. */
  readonly access: string;
}

/** `soft` and `hard` -1: unlimited. Names as in `--ulimit`: `nofile`. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Limits with Docker's names and units; 0, -1 and null as Docker has them. */
export interface SpecResources {
  readonly cpuShares: number;
  readonly memory: number;
  readonly nanoCpus: number;
  readonly blkioWeight: number;
  readonly blkioWeightDevice: ReadonlyArray<{ readonly path: string; readonly weight: number }>;
  readonly blkioDeviceReadBps: readonly Throttle[];
  readonly blkioDeviceWriteBps: readonly Throttle[];
  readonly blkioDeviceReadIOps: readonly Throttle[];
  readonly blkioDeviceWriteIOps: readonly Throttle[];
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpuRealtimePeriod: number;
  readonly cpuRealtimeRuntime: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly memoryReservation: number;
  readonly memorySwap: number;
  readonly memorySwappiness: number | null;
  readonly oomKillDisable: boolean | null;
  readonly pidsLimit: number | null;
  /** Files of cgroup v2 and what to write to them. */
  readonly cgroupConf?: Readonly<Record<string, string>>;
}

export interface Throttle {
  readonly path: string;
  readonly rate: number;
}

/** What this machine and this daemon can do; read once by `readMachine`. */
export interface MachineFacts {
  readonly cgroupVersion: 1 | 2;
  /** Docker's name: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly kernelRelease: string;
  /** The daemon's bounding set, `CAP_…`. */
  readonly capabilities: readonly string[];
  /** The daemon's own hard limits by name (`nofile`), -1 unlimited. */
  readonly hardLimits: Readonly<Record<string, number>>;
  /** The daemon's own. */
  readonly oomScoreAdj: number;
  readonly apparmor: boolean;
  readonly cgroups: CgroupAbilities;
  /** `MAJOR:MINOR` of block devices named in limits, by path. */
  readonly blockDevices: (path: string) => { readonly major: number; readonly minor: number } | undefined;
}

/** Which limits the kernel has, as dockerd probes them. */
export interface CgroupAbilities {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly memoryReservation: boolean;
  readonly swappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuShares: boolean;
  readonly cpuCfs: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly blkioWeight: boolean;
  readonly blkioWeightDevice: boolean;
  readonly blkioThrottle: boolean;
  /** cgroup v2, whose files can be named. */
  readonly unified?: boolean;
}
