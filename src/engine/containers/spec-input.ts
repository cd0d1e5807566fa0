import { TareError } from '../../base/errors.ts';
import type { ExecInput } from '../../runtime/spec/exec-process.ts';
import type {
  MachineFacts,
  NamespaceChoice,
  NamespaceChoices,
  ResolvedUser,
  SpecDevice,
  SpecInput,
  SpecMount,
} from '../../runtime/spec/input.ts';
import { parseSecurityOptions } from '../../runtime/spec/security-options.ts';
import { type CgroupDriver, cgroupsPath } from './cgroup-path.ts';
import { NEW_NAMESPACE } from './container-network.ts';
import type { ExecConfig } from './containers.ts';
import { isAlive } from './lifecycle.ts';
import type { Container } from './model.ts';
import { parseMode } from './modes.ts';
import type { UserMapping } from './user-mapping.ts';

/** What a container's configuration refers to, looked up by the caller just before its start. */
export interface StartFacts {
  /** Where its root is mounted. */
  readonly rootfs: string;
  /** `config.user` and `hostConfig.groupAdd`, resolved in the mounted root. */
  readonly user: ResolvedUser;
  /** Path of its network namespace; undefined: the host's; NEW_NAMESPACE: the runtime makes it. */
  readonly network: string | undefined;
  /** Files made for it that appear as /etc/hosts, /etc/hostname and /etc/resolv.conf; a missing one is left out. */
  readonly files: { readonly hosts?: string; readonly hostname?: string; readonly resolvConf?: string };
  /** Variables of legacy links; the image's and the user's go over them. */
  readonly linkEnvironment: readonly string[];
  /** `hostConfig.resources.devices`, or all of the host's when privileged. */
  readonly devices: readonly SpecDevice[];
  /** Path of the init program on the host; undefined: none is installed. */
  readonly initProgram: string | undefined;
  /** Use it although the container does not say. */
  readonly initByDefault: boolean;
  readonly cgroupDriver: CgroupDriver;
  /** Host directory that is a shareable container's /dev/shm. */
  readonly shmDirectory: (id: string) => string;
  /** Another container by reference, for `container:REF` modes. */
  readonly find: (ref: string) => Container;
  /** Maps of its user namespace; undefined: the host's. */
  readonly mapping: UserMapping | undefined;
  readonly machine: MachineFacts;
}

/** A container's configuration and the looked-up facts, as the runtime's input. Pure. Throws `invalid`, `conflict`. */
export function specInput(container: Container, facts: StartFacts): SpecInput {
  const { config, hostConfig, id } = container;
  const { resources } = hostConfig;
  const args = [...(config.entrypoint ?? []), ...(config.cmd ?? [])];
  if (args.length === 0) throw new TareError('invalid', 'no command specified');
  const [height, width] = hostConfig.consoleSize;
  const namespaces = chooseNamespaces(container, facts);
  return {
    id,
    rootfs: facts.rootfs,
    readonlyRootfs: hostConfig.readonlyRootfs,
    args,
    env: [...facts.linkEnvironment, ...config.env],
    workingDir: config.workingDir,
    terminal: config.tty,
    consoleSize: height > 0 && width > 0 ? { height, width } : undefined,
    user: facts.user,
    hostname: config.hostname,
    domainname: config.domainname,
    privileged: hostConfig.privileged,
    capAdd: hostConfig.capAdd,
    capDrop: hostConfig.capDrop,
    security: parseSecurityOptions(hostConfig.securityOpt),
    namespaces,
    userNamespace: chooseUserNamespace(container, facts),
    shm: chooseShm(container, facts),
    mounts: chooseMounts(container, facts),
    init: chooseInit(container, facts, namespaces.pid),
    devices: facts.devices,
    deviceCgroupRules: resources.deviceCgroupRules,
    resources,
    ulimits: resources.ulimits,
    oomScoreAdj: hostConfig.oomScoreAdj,
    sysctls: hostConfig.sysctls,
    annotations: hostConfig.annotations,
    cgroupsPath: cgroupsPath(id, resources.cgroupParent, facts.cgroupDriver),
    maskedPaths: hostConfig.maskedPaths,
    readonlyPaths: hostConfig.readonlyPaths,
    machine: facts.machine,
  };
}

/** The other container of a `container:REF` mode, which must run. */
function partner(ref: string, what: string, find: StartFacts['find']): Container {
  const other = find(ref);
  if (!isAlive(other.state)) {
    throw new TareError(
      'internal',
      `failed to join ${what} namespace: container ${other.id} is not running: start it first`,
    );
  }
  return other;
}

function chooseNamespaces(container: Container, facts: StartFacts): NamespaceChoices {
  const { hostConfig } = container;
  const choose = (mode: string, what: 'PID' | 'IPC', file: string): NamespaceChoice => {
    const parsed = parseMode(mode, what);
    if (parsed.kind === 'container') {
      return { path: `/proc/${partner(parsed.ref, what, facts.find).state.pid}/ns/${file}` };
    }
    return parsed.word === 'host' ? 'host' : 'private';
  };
  return {
    network:
      facts.network === undefined
        ? 'host'
        : facts.network === NEW_NAMESPACE
          ? 'private'
          : { path: facts.network },
    pid: choose(hostConfig.pidMode, 'PID', 'pid'),
    ipc: choose(hostConfig.ipcMode, 'IPC', 'ipc'),
    uts: hostConfig.utsMode === 'host' ? 'host' : 'private',
    cgroup: cgroupMode(hostConfig, facts.machine.cgroupVersion),
  };
}

/** Who shares another container's network, processes or ipc is of its user namespace, too: namespaces belong to one. */
function chooseUserNamespace(container: Container, facts: StartFacts): SpecInput['userNamespace'] {
  const { mapping, find } = facts;
  if (mapping === undefined) return undefined;
  const { networkMode, pidMode, ipcMode } = container.hostConfig;
  for (const mode of [networkMode, pidMode, ipcMode]) {
    const parsed = parseMode(mode, 'user');
    if (parsed.kind === 'container') return { path: `/proc/${find(parsed.ref).state.pid}/ns/user` };
  }
  return mapping;
}

/** Rows of earlier versions say nothing, which is the cgroup version's own default. */
function cgroupMode({ cgroupnsMode }: Container['hostConfig'], version: 1 | 2): 'host' | 'private' {
  if (cgroupnsMode === '') return version === 1 ? 'host' : 'private';
  return cgroupnsMode === 'host' ? 'host' : 'private';
}

/** Shared memory follows the IPC mode: shared ones need a directory of the host that both can mount. */
function chooseShm(container: Container, facts: StartFacts): SpecInput['shm'] {
  const mode = parseMode(container.hostConfig.ipcMode, 'IPC');
  if (mode.kind === 'container') {
    const other = partner(mode.ref, 'IPC', facts.find);
    if (other.hostConfig.ipcMode !== 'shareable') {
      throw new TareError(
        'conflict',
        `cannot join IPC of container ${other.name}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      );
    }
    return { path: facts.shmDirectory(other.id) };
  }
  if (mode.word === 'host') return { path: '/dev/shm' };
  if (mode.word === 'none') return undefined;
  if (mode.word === 'shareable') return { path: facts.shmDirectory(container.id) };
  return { size: container.hostConfig.shmSize };
}

function chooseInit(container: Container, facts: StartFacts, pid: NamespaceChoice): string | undefined {
  if (!(container.hostConfig.init ?? facts.initByDefault) || pid !== 'private') return undefined;
  if (facts.initProgram === undefined) {
    throw new TareError(
      'unavailable',
      '--init needs an init program on the host; install the Debian package tini and try again',
    );
  }
  return facts.initProgram;
}

function chooseMounts(container: Container, facts: StartFacts): SpecMount[] {
  const { hostConfig, mounts } = container;
  const result: SpecMount[] = mounts.map((point) => ({
    type: point.type === 'tmpfs' ? 'tmpfs' : 'bind',
    source: point.source,
    destination: point.destination,
    readOnly: !point.readWrite,
    propagation: point.propagation,
    recursive: point.below !== 'left-out',
    options: point.options,
  }));
  for (const [destination, options] of Object.entries(hostConfig.tmpfs)) {
    result.push({
      type: 'tmpfs',
      source: '',
      destination,
      readOnly: false,
      propagation: '',
      recursive: false,
      options: options === '' ? [] : options.split(','),
    });
  }
  const { hosts, hostname, resolvConf } = facts.files;
  const files = { '/etc/hosts': hosts, '/etc/hostname': hostname, '/etc/resolv.conf': resolvConf };
  for (const [destination, source] of Object.entries(files)) {
    if (source === undefined || result.some((mount) => mount.destination === destination)) continue;
    result.push({
      type: 'bind',
      source,
      destination,
      readOnly: hostConfig.readonlyRootfs,
      propagation: '',
      recursive: false,
      options: [],
    });
  }
  return result;
}

/** An exec's configuration as the runtime's input; `user` is its user resolved in the container's root. Pure. */
export function execInput(
  container: Container,
  exec: ExecConfig,
  facts: Pick<StartFacts, 'user' | 'machine' | 'linkEnvironment'>,
): ExecInput {
  const { config, hostConfig } = container;
  if (exec.workingDir !== '' && !exec.workingDir.startsWith('/')) {
    throw new TareError(
      'invalid',
      'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown',
    );
  }
  return {
    args: exec.cmd,
    env: [...facts.linkEnvironment, ...config.env, ...exec.env],
    hostname: config.hostname,
    workingDir: exec.workingDir || config.workingDir,
    terminal: exec.tty,
    user: facts.user,
    privileged: exec.privileged || hostConfig.privileged,
    capAdd: hostConfig.capAdd,
    capDrop: hostConfig.capDrop,
    security: parseSecurityOptions(hostConfig.securityOpt),
    ulimits: hostConfig.resources.ulimits,
    oomScoreAdj: hostConfig.oomScoreAdj,
    machine: facts.machine,
  };
}
