import type { Death } from '../../engine/containers/death.ts';
import type { Container, Health, MountPoint, ProbeResult } from '../../engine/containers/model.ts';
import type {
  ContainerConfig,
  ContainerInspect,
  ContainerState,
  ContainerSummary,
  HealthResult,
  HostConfig,
  Death as WireDeath,
  Health as WireHealth,
  MountPoint as WireMountPoint,
} from '../../wire/containers.ts';
import { containerConfigCodec } from '../codec/container-config.ts';
import { hostConfigCodec } from '../codec/host-config.ts';
import { rfc3339 } from '../time.ts';
import { endpointsToWire, networkSettings, portList } from './endpoint.ts';
import { statusText } from './status-text.ts';

/** Where the engine keeps a container's files; absolute paths on the host, empty for what it does not have. */
export interface ContainerPaths {
  readonly resolvConf: string;
  readonly hostname: string;
  readonly hosts: string;
  readonly log: string;
  /** Directory of the merged root file system while it is mounted. */
  readonly root: string;
}

/** Answer of inspect. `version` is the API's minor number. */
export function inspectContainer(
  container: Container,
  paths: ContainerPaths,
  version: number,
  size?: { writable: number; total: number },
): ContainerInspect {
  const { path, args } = commandOf(container);
  const inspect: ContainerInspect = {
    Id: container.id,
    Created: rfc3339(container.createdAt),
    Path: path,
    Args: args,
    State: stateToWire(container),
    Image: container.imageId,
    ResolvConfPath: paths.resolvConf,
    HostnamePath: paths.hostname,
    HostsPath: paths.hosts,
    LogPath: logPath(container, paths),
    Name: `/${container.name}`,
    RestartCount: container.state.restartCount,
    Driver: container.snapshotter,
    Platform: container.platform.split('/')[0] || 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: hostConfigCodec.encode(container.hostConfig) as HostConfig,
    GraphDriver: { Name: container.snapshotter, Data: paths.root === '' ? null : { MergedDir: paths.root } },
    Mounts: container.mounts.map(mountToWire),
    Config: containerConfigCodec.encode(withMacAddress(container)) as ContainerConfig,
    NetworkSettings: networkSettings(container, version),
  };
  if (size !== undefined) {
    inspect.SizeRw = size.writable;
    inspect.SizeRootFs = size.total;
  }
  return inspect;
}

/** The program and its arguments after entrypoint and command were joined. */
export function commandOf(container: Container): { path: string; args: string[] } {
  const [path, ...args] = [...(container.config.entrypoint ?? []), ...(container.config.cmd ?? [])];
  return { path: path ?? '', args };
}

/** As dockerd: only a `json-file` has a path, and only when it was started once. */
/** As Docker up to API 1.51: the address that was asked for in the first network stands here, too. */
function withMacAddress({ config, endpoints }: Container): Container['config'] {
  const macAddress = config.macAddress || endpoints[0]?.settings.macAddress;
  return macAddress ? { ...config, macAddress } : config;
}

function logPath({ hostConfig, state }: Container, paths: ContainerPaths): string {
  return hostConfig.logConfig.type === 'json-file' && state.startedAt > 0 ? paths.log : '';
}

function stateToWire({ state }: Container): ContainerState {
  return {
    Status: state.status,
    // Docker counts a paused and a restarting container as running.
    Running: ['running', 'paused', 'restarting'].includes(state.status),
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: rfc3339(state.startedAt),
    FinishedAt: rfc3339(state.finishedAt),
    ...(state.health && { Health: healthToWire(state.health) }),
    ...(!state.exitCodeKnown && { ExitCodeKnown: false }),
    ...(state.death && { Death: deathToWire(state.death) }),
  };
}

function deathToWire({ reason, text, signal, client, oom, health, log }: Death): WireDeath {
  return {
    Reason: reason,
    Text: text,
    Signal: signal,
    ...(client && { Client: { Pid: client.pid, Uid: client.uid, Program: client.program } }),
    ...(oom && { OOM: { Limit: oom.limit, Process: oom.process, Pid: oom.pid } }),
    ...(health && { Health: probeToWire(health) }),
    Log: [...log],
  };
}

function healthToWire(health: Health): WireHealth {
  return {
    Status: health.status,
    FailingStreak: health.failingStreak,
    Log: health.log.map(probeToWire),
  };
}

function probeToWire({ start, end, exitCode, output }: ProbeResult): HealthResult {
  return { Start: rfc3339(start), End: rfc3339(end), ExitCode: exitCode, Output: output };
}

function mountToWire(mount: MountPoint): WireMountPoint {
  const wire: WireMountPoint = {
    Type: mount.type,
    Source: mount.type === 'tmpfs' ? '' : mount.source,
    Destination: mount.destination,
    Mode: mount.mode,
    RW: mount.readWrite,
    Propagation: mount.propagation,
  };
  if (mount.name !== '') wire.Name = mount.name;
  if (mount.driver !== '') wire.Driver = mount.driver;
  return wire;
}

/** One line of `ps`. `image` is the name to show; `now` in milliseconds. */
export function summarizeContainer(
  container: Container,
  image: string,
  now: number,
  version: number,
  size?: { writable: number; total: number },
): ContainerSummary {
  const { annotations } = container.hostConfig;
  const summary: ContainerSummary = {
    Id: container.id,
    Names: [container.name, ...(container.linkNames ?? [])].map((name) => `/${name}`),
    Image: image,
    ImageID: container.imageId,
    Command: commandLine(container),
    Created: Math.floor(container.createdAt / 1000),
    Ports: portList(container),
    Labels: container.config.labels,
    State: container.state.status,
    Status: statusText(container.state, now),
    ...(container.state.pid === 0 && container.state.death && { Reason: container.state.death.text }),
    HostConfig: { NetworkMode: container.hostConfig.networkMode },
    NetworkSettings: { Networks: endpointsToWire(container, version) },
    Mounts: container.mounts.map(mountToWire),
  };
  if (version >= 46 && Object.keys(annotations).length > 0) summary.HostConfig.Annotations = annotations;
  if (size !== undefined) {
    summary.SizeRw = size.writable;
    summary.SizeRootFs = size.total;
  }
  return summary;
}

/** Arguments with spaces stand in quotes, as dockerd shows them. */
function commandLine(container: Container): string {
  const { path, args } = commandOf(container);
  return [path, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ');
}
