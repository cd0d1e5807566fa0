import type { ContainerCreateBody, EndpointSettings, HostConfig } from '../../wire/containers.ts';
import type { ThrottleDevice, WeightDevice } from '../../wire/resources.ts';
import type { FlagValues } from '../command.ts';
import { parseBytes } from '../format/size.ts';
import { parseDevices } from './devices.ts';
import type { CONTAINER_FLAGS } from './flags.ts';
import { readEnvironment, readLabels } from './key-value-files.ts';
import { checkMode, parseRestart, usernsMode } from './modes.ts';
import { type NetworkChoice, namedNetwork } from './network-flag.ts';
import { parsePorts } from './ports.ts';
import { parseSecurityOptions, takeSystemPaths } from './security.ts';
import { parseLogOptions, parseStorageOptions, parseVolumes } from './volumes.ts';

export type ContainerFlags = FlagValues<typeof CONTAINER_FLAGS>;

/** null for an empty list, as the API wants it. */
const orNull = <T>(values: readonly T[]): T[] | null => (values.length === 0 ? null : [...values]);

/** What the streams of a container are attached to. */
export interface AttachedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** `-a` chooses streams; without it the output is attached, and stdin with `-i`. */
export function attachedStreams(flags: Pick<ContainerFlags, 'attach' | 'interactive'>): AttachedStreams {
  const chosen = flags.attach;
  if (chosen.length === 0) return { stdin: flags.interactive, stdout: true, stderr: true };
  return {
    stdin: flags.interactive || chosen.includes('stdin'),
    stdout: chosen.includes('stdout'),
    stderr: chosen.includes('stderr'),
  };
}

function healthcheck(flags: ContainerFlags): ContainerCreateBody['Healthcheck'] {
  const times = {
    Interval: flags['health-interval'],
    Timeout: flags['health-timeout'],
    StartPeriod: flags['health-start-period'],
    StartInterval: flags['health-start-interval'],
  };
  const retries = flags['health-retries'];
  const given =
    flags['health-cmd'] !== '' || retries !== 0 || Object.values(times).some((time) => time !== 0);
  if (flags['no-healthcheck']) {
    if (given) throw new Error('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!given) return undefined;
  const names = {
    Interval: 'interval',
    Timeout: 'timeout',
    StartPeriod: 'start-period',
    StartInterval: 'start-interval',
  };
  for (const [key, name] of Object.entries(names)) {
    if (times[key as keyof typeof times] < 0) throw new Error(`--health-${name} cannot be negative`);
  }
  if (retries < 0) throw new Error('--health-retries cannot be negative');
  return {
    ...(flags['health-cmd'] === '' ? {} : { Test: ['CMD-SHELL', flags['health-cmd']] }),
    ...times,
    Retries: retries,
  };
}

function throttles(values: readonly string[]): ThrottleDevice[] | null {
  return orNull(
    values.map((value) => {
      const colon = value.lastIndexOf(':');
      return { Path: value.slice(0, colon), Rate: parseBytes(value.slice(colon + 1)) };
    }),
  );
}

function weightDevices(values: readonly string[]): WeightDevice[] | null {
  return orNull(
    values.map((value) => {
      const [Path = '', weight = '0'] = value.split(':');
      return { Path, Weight: Number(weight) };
    }),
  );
}

function swappiness(value: number): number {
  if (value !== -1 && (value < 0 || value > 100)) {
    throw new Error(`invalid value: ${value}. Valid memory swappiness range is 0-100`);
  }
  return value;
}

function limits(flags: ContainerFlags): Partial<HostConfig> {
  const { devices, requests } = parseDevices(flags.device);
  return {
    CpuShares: flags['cpu-shares'],
    Memory: flags.memory,
    NanoCpus: flags.cpus,
    CgroupParent: flags['cgroup-parent'],
    BlkioWeight: flags['blkio-weight'],
    BlkioWeightDevice: weightDevices(flags['blkio-weight-device']) ?? [],
    BlkioDeviceReadBps: throttles(flags['device-read-bps']) ?? [],
    BlkioDeviceWriteBps: throttles(flags['device-write-bps']) ?? [],
    BlkioDeviceReadIOps: throttles(flags['device-read-iops']) ?? [],
    BlkioDeviceWriteIOps: throttles(flags['device-write-iops']) ?? [],
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    Devices: devices,
    DeviceCgroupRules: orNull(flags['device-cgroup-rule']),
    DeviceRequests: orNull([...flags.gpus, ...requests]),
    MemoryReservation: flags['memory-reservation'],
    MemorySwap: flags['memory-swap'],
    MemorySwappiness: swappiness(flags['memory-swappiness']),
    OomKillDisable: flags['oom-kill-disable'],
    PidsLimit: flags['pids-limit'] ?? null,
    ...(Object.keys(flags['cgroup-conf']).length === 0 ? {} : { CgroupConf: { ...flags['cgroup-conf'] } }),
    Ulimits: orNull([...flags.ulimit].sort((a, b) => (a.Name < b.Name ? -1 : 1))),
    OomScoreAdj: flags['oom-score-adj'],
    ShmSize: flags['shm-size'],
  };
}

/** A flag of the endpoint may not contradict `--network name=…,alias=…`. */
function firstNetwork(flags: ContainerFlags): NetworkChoice[] {
  const choices =
    flags.network.length === 0 ? [namedNetwork('default')] : flags.network.map((one) => ({ ...one }));
  if (choices.some((choice) => choice.name === '')) throw new Error('no name set for network');
  const names = new Set<string>();
  for (const { name } of choices) {
    if (names.has(name)) throw new Error(`network "${name}" is specified multiple times`);
    names.add(name);
  }
  const first = choices[0]!;
  const conflict = (flag: string) =>
    new Error(`conflicting options: cannot specify both --${flag} and per-network ${flag}`);
  if (flags['network-alias'].length > 0) {
    if (first.aliases.length > 0) {
      throw new Error('conflicting options: cannot specify both --network-alias and per-network alias');
    }
    first.aliases.push(...flags['network-alias']);
  }
  if (flags.ip !== '') {
    if (first.ip4 !== undefined)
      throw new Error('conflicting options: cannot specify both --ip and per-network IPv4 address');
    first.ip4 = flags.ip;
  }
  if (flags.ip6 !== '') {
    if (first.ip6 !== undefined)
      throw new Error('conflicting options: cannot specify both --ip6 and per-network IPv6 address');
    first.ip6 = flags.ip6;
  }
  if (flags['mac-address'] !== '') {
    if (first.mac !== undefined) throw conflict('mac-address');
    first.mac = flags['mac-address'];
  }
  first.linkLocalIps.push(...flags['link-local-ip']);
  return choices;
}

function endpoint(choice: NetworkChoice, links: readonly string[]): Partial<EndpointSettings> {
  const addresses = {
    ...(choice.ip4 === undefined ? {} : { IPv4Address: choice.ip4 }),
    ...(choice.ip6 === undefined ? {} : { IPv6Address: choice.ip6 }),
    ...(choice.linkLocalIps.length === 0 ? {} : { LinkLocalIPs: choice.linkLocalIps }),
  };
  return {
    IPAMConfig: Object.keys(addresses).length === 0 ? null : addresses,
    Links: orNull(links),
    Aliases: orNull(choice.aliases),
    MacAddress: choice.mac ?? '',
    DriverOpts: Object.keys(choice.driverOpts).length === 0 ? null : choice.driverOpts,
    ...(choice.priority === undefined ? {} : { GwPriority: choice.priority }),
  };
}

const isUserNetwork = (name: string): boolean =>
  !['default', 'bridge', 'host', 'none'].includes(name) && !name.startsWith('container:');

function endpoints(
  choices: readonly NetworkChoice[],
  links: readonly string[],
): Record<string, Partial<EndpointSettings>> {
  const result: Record<string, Partial<EndpointSettings>> = {};
  for (const [index, choice] of choices.entries()) {
    const settings = endpoint(choice, index === 0 && isUserNetwork(choice.name) ? links : []);
    const plain = settings.IPAMConfig === null && settings.Aliases === null && settings.DriverOpts === null;
    // The network mode names the first network; only what it can't say needs an entry here.
    if (
      index === 0 &&
      plain &&
      settings.MacAddress === '' &&
      settings.Links === null &&
      choice.priority === undefined &&
      choices.length === 1
    )
      continue;
    result[choice.name] = settings;
  }
  return result;
}

function hostSettings(flags: ContainerFlags, network: string): Partial<HostConfig> {
  checkMode('pid', flags.pid);
  checkMode('uts', flags.uts);
  checkMode('cgroupns', flags.cgroupns);
  const security = takeSystemPaths(parseSecurityOptions(flags['security-opt']));
  return {
    ContainerIDFile: flags.cidfile,
    LogConfig: { Type: flags['log-driver'], Config: parseLogOptions(flags['log-driver'], flags['log-opt']) },
    NetworkMode: network,
    RestartPolicy: parseRestart(flags.restart),
    ...(flags['restart-unhealthy'] ? { RestartUnhealthy: true } : {}),
    AutoRemove: flags.rm,
    VolumeDriver: flags['volume-driver'],
    VolumesFrom: orNull(flags['volumes-from']),
    CapAdd: orNull(flags['cap-add'].map(capability)),
    CapDrop: orNull(flags['cap-drop'].map(capability)),
    CgroupnsMode: flags.cgroupns,
    Dns: [...flags.dns],
    DnsOptions: [...flags['dns-option']],
    DnsSearch: [...flags['dns-search']],
    ExtraHosts: orNull(flags['add-host']),
    GroupAdd: orNull(flags['group-add']),
    IpcMode: flags.ipc,
    Links: orNull(flags.link),
    PidMode: flags.pid,
    Privileged: flags.privileged,
    PublishAllPorts: flags['publish-all'],
    ReadonlyRootfs: flags['read-only'],
    SecurityOpt: orNull(security.options),
    UTSMode: flags.uts,
    UsernsMode: usernsMode(flags.userns),
    Runtime: flags.runtime,
    Isolation: flags.isolation,
    ...(security.unmasked
      ? { MaskedPaths: [], ReadonlyPaths: [] }
      : { MaskedPaths: null, ReadonlyPaths: null }),
    ...(flags.init === undefined ? {} : { Init: flags.init }),
    ...(Object.keys(flags.sysctl).length === 0 ? {} : { Sysctls: { ...flags.sysctl } }),
    ...(Object.keys(flags.annotation).length === 0 ? {} : { Annotations: { ...flags.annotation } }),
    ...(flags['storage-opt'].length === 0 ? {} : { StorageOpt: parseStorageOptions(flags['storage-opt']) }),
  };
}

/** `net_admin` → `CAP_NET_ADMIN`. */
function capability(name: string): string {
  const upper = name.trim().toUpperCase();
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

function entrypoint(value: string | undefined): string[] | null {
  // `--entrypoint ""` takes the image's away.
  return value === undefined ? null : [value];
}

/**
 * The body of a create request from the flags and arguments of `run` or `create`.
 * @throws Error in docker's words when flags contradict each other or don't parse.
 */
export function containerSettings(
  flags: ContainerFlags,
  image: string,
  words: readonly string[],
): ContainerCreateBody {
  const mac = flags['mac-address'].trim();
  if (mac !== '' && !/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(mac))
    throw new Error(`${mac} is not a valid mac address`);
  const ports = parsePorts(flags.publish, flags.expose);
  const { binds, volumes, tmpfs } = parseVolumes(flags.volume, flags.tmpfs);
  const choices = firstNetwork(flags);
  const streams = attachedStreams(flags);
  const host: Partial<HostConfig> = {
    ...limits(flags),
    ...hostSettings(flags, choices[0]!.name),
    Binds: orNull(binds),
    PortBindings: ports.bindings,
    ...(Object.keys(tmpfs).length === 0 ? {} : { Tmpfs: tmpfs }),
    ...(flags.mount.length === 0 ? {} : { Mounts: [...flags.mount] }),
  };
  if (flags.rm && !['', 'no'].includes(host.RestartPolicy!.Name)) {
    throw new Error('conflicting options: cannot specify both --restart and --rm');
  }
  const health = healthcheck(flags);
  return {
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin: streams.stdin,
    AttachStdout: streams.stdout,
    AttachStderr: streams.stderr,
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && streams.stdin,
    Env: readEnvironment(flags['env-file'], flags.env),
    Cmd: orNull(words),
    ...(health === undefined ? {} : { Healthcheck: health }),
    Image: image,
    Volumes: volumes,
    WorkingDir: flags.workdir,
    Entrypoint: entrypoint(flags.entrypoint),
    ...(flags['mac-address'] === '' ? {} : { MacAddress: flags['mac-address'] }),
    OnBuild: null,
    Labels: readLabels(flags['label-file'], flags.label),
    ...(Object.keys(ports.exposed).length === 0 ? {} : { ExposedPorts: ports.exposed }),
    ...(flags['stop-signal'] === '' ? {} : { StopSignal: flags['stop-signal'] }),
    ...(flags['stop-timeout'] === undefined ? {} : { StopTimeout: flags['stop-timeout'] }),
    HostConfig: host,
    NetworkingConfig: { EndpointsConfig: endpoints(choices, flags.link) },
  };
}
