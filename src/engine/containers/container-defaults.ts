import type { Ulimit } from '../../base/ulimits.ts';
import { MASKED_PATHS, READONLY_PATHS } from '../../runtime/spec/paths.ts';
import { type LogConfig, withLogDefaults } from './logging/log-config.ts';
import type { HostConfig } from './model.ts';

/** What the daemon's configuration gives to containers that ask for nothing else; names and meanings are dockerd's. */
export interface ContainerDefaults {
  readonly logConfig: LogConfig;
  readonly ipcMode: 'private' | 'shareable';
  /** Empty: as the cgroup version has it. */
  readonly cgroupnsMode: '' | 'host' | 'private';
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  readonly ulimits: readonly Ulimit[];
  /** A small init reaps orphans. */
  readonly init: boolean;
  readonly noNewPrivileges: boolean;
  readonly cgroupParent: string;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
}

/** A new container's settings with what Docker and the daemon's configuration fill in. They stay as they are then. */
export function withDefaults(
  host: HostConfig,
  defaults: ContainerDefaults,
  cgroupVersion: 1 | 2,
): HostConfig {
  const { resources } = host;
  // On v1 a privileged container cannot have a cgroup namespace of its own.
  const always = cgroupVersion === 1 && host.privileged ? 'host' : '';
  const usual = cgroupVersion === 1 ? 'host' : 'private';
  const { memory, memorySwap } = resources;
  const asked = new Set(resources.ulimits.map(({ name }) => name));
  const further = defaults.ulimits.filter(({ name }) => !asked.has(name));
  const ownResolver = host.networkMode !== 'host' && !host.networkMode.startsWith('container:');
  const some = (own: string[], others: readonly string[]): string[] =>
    own.length > 0 || !ownResolver ? own : [...others];
  return {
    ...host,
    networkMode: host.networkMode === '' || host.networkMode === 'default' ? 'bridge' : host.networkMode,
    shmSize: host.shmSize || defaults.shmSize,
    ipcMode: host.ipcMode || defaults.ipcMode,
    cgroupnsMode: host.cgroupnsMode || always || defaults.cgroupnsMode || usual,
    runtime: host.runtime || 'crun',
    init: host.init ?? (defaults.init ? true : null),
    securityOpt: withPrivilegesKept(host.securityOpt, defaults.noNewPrivileges),
    maskedPaths: host.maskedPaths ?? (host.privileged ? null : [...MASKED_PATHS]),
    readonlyPaths: host.readonlyPaths ?? (host.privileged ? null : [...READONLY_PATHS]),
    restartPolicy: { ...host.restartPolicy, name: host.restartPolicy.name || 'no' },
    logConfig: withLogDefaults(host.logConfig, defaults.logConfig),
    dns: some(host.dns, defaults.dns),
    dnsSearch: some(host.dnsSearch, defaults.dnsSearch),
    dnsOptions: some(host.dnsOptions, defaults.dnsOptions),
    resources: {
      ...resources,
      // With a memory limit alone, Docker allows as much swap again.
      memorySwap: memory > 0 && memorySwap === 0 ? memory * 2 : memorySwap,
      ulimits: [...resources.ulimits, ...further],
      cgroupParent: resources.cgroupParent || defaults.cgroupParent,
    },
  };
}

function withPrivilegesKept(options: readonly string[], byDefault: boolean): string[] {
  const said = options.some((option) => /^no-new-privileges\b/.test(option));
  return byDefault && !said ? [...options, 'no-new-privileges'] : [...options];
}
