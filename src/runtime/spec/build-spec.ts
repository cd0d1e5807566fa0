import type { IdRange } from '../../kernel/user-namespace.ts';
import { chooseCapabilities } from './capabilities.ts';
import { deviceRules, ociDevice } from './devices.ts';
import { processEnvironment } from './environment.ts';
import type { NamespaceChoice, SpecInput } from './input.ts';
import { chooseMounts, INIT_PATH, rootPropagation } from './mounts.ts';
import type {
  OciCapabilities,
  OciIdMapping,
  OciLinux,
  OciNamespaceType,
  OciSeccomp,
  OciSpec,
} from './oci-spec.ts';
import { MASKED_PATHS, READONLY_PATHS } from './paths.ts';
import { allowedOomScore, ociRlimits } from './process-limits.ts';
import { adaptResources, ociLimits } from './resources.ts';
import { isScope, scopeAnnotations } from './scope-properties.ts';
import { defaultSeccomp, loadSeccomp } from './seccomp.ts';
import { chooseSysctls } from './sysctls.ts';

/** The version of the runtime specification that crun 1.8 and later know. */
const OCI_VERSION = '1.0.2';

/**
 * The OCI configuration of a container, isolated as Docker isolates by default. Pure. What the machine cannot do
 * is left out and named in `warnings`, in dockerd's words. Throws `invalid` for requests that make no sense.
 */
export function buildSpec(input: SpecInput): { spec: OciSpec; warnings: string[] } {
  const { machine, security, privileged, user, terminal } = input;
  const chosen = chooseCapabilities({
    privileged,
    add: input.capAdd,
    drop: input.capDrop,
    bounding: machine.capabilities,
  });
  const limits = adaptResources(input.resources, machine.cgroups);
  const oci = ociLimits(limits.resources, machine);
  const annotations = { ...input.annotations, ...(isScope(input.cgroupsPath) && scopeAnnotations(oci)) };
  const ulimits = ociRlimits(input.ulimits, machine);
  const oom = allowedOomScore(input.oomScoreAdj, machine);
  const { home, ...processUser } = user;
  const args = input.init === undefined ? input.args : [INIT_PATH, '--', ...input.args];
  const hasUts = input.namespaces.uts === 'private';
  const apparmor = machine.apparmor ? security.apparmor : undefined;
  const spec: OciSpec = {
    ociVersion: OCI_VERSION,
    process: {
      ...(terminal && { terminal }),
      ...(terminal && input.consoleSize && { consoleSize: input.consoleSize }),
      user: processUser,
      args,
      env: processEnvironment(input.env, { hostname: input.hostname, terminal, home }),
      cwd: input.workingDir || '/',
      capabilities: processCapabilities(chosen.capabilities, user.uid),
      ...(ulimits.rlimits.length > 0 && { rlimits: ulimits.rlimits }),
      ...(security.noNewPrivileges && { noNewPrivileges: true }),
      ...(apparmor !== undefined && apparmor !== 'unconfined' && { apparmorProfile: apparmor }),
      oomScoreAdj: oom.oomScoreAdj,
    },
    root: { path: input.rootfs, ...(input.readonlyRootfs && { readonly: true }) },
    ...(hasUts && { hostname: input.hostname }),
    mounts: chooseMounts(input),
    ...(Object.keys(annotations).length > 0 && { annotations }),
    linux: linuxPart(input, chosen.capabilities, {
      ...oci,
      devices: deviceRules(privileged, input.devices, input.deviceCgroupRules),
    }),
  };
  return {
    spec,
    warnings: [...chosen.warnings, ...limits.warnings, ...ulimits.warnings, ...oom.warnings],
  };
}

function linuxPart(
  input: SpecInput,
  capabilities: readonly string[],
  resources: NonNullable<OciLinux['resources']>,
): OciLinux {
  const open = input.privileged || input.security.systemPathsUnconfined;
  const masked = open ? [] : (input.maskedPaths ?? MASKED_PATHS);
  const readonly = open ? [] : (input.readonlyPaths ?? READONLY_PATHS);
  const sysctl = chooseSysctls(input);
  const seccomp = chooseSeccomp(input, capabilities);
  const propagation = rootPropagation(input.mounts);
  return {
    namespaces: chooseNamespaces(input),
    ...(input.userNamespace &&
      'uids' in input.userNamespace && {
        uidMappings: input.userNamespace.uids.map(ociMapping),
        gidMappings: input.userNamespace.gids.map(ociMapping),
      }),
    ...(input.devices.length > 0 && { devices: input.devices.map(ociDevice) }),
    cgroupsPath: input.cgroupsPath,
    resources,
    ...(propagation !== undefined && { rootfsPropagation: propagation }),
    ...(seccomp && { seccomp }),
    ...(Object.keys(sysctl).length > 0 && { sysctl }),
    ...(masked.length > 0 && { maskedPaths: masked }),
    ...(readonly.length > 0 && { readonlyPaths: readonly }),
  };
}

/** Other users than root keep only the bounding set, as execve(2) would leave them (capabilities(7)). */
export function processCapabilities(names: readonly string[], uid: number): OciCapabilities {
  return uid === 0 ? { bounding: names, effective: names, permitted: names } : { bounding: names };
}

function ociMapping({ inside, outside, count }: IdRange): OciIdMapping {
  return { containerID: inside, hostID: outside, size: count };
}

function chooseNamespaces(input: SpecInput): OciLinux['namespaces'] {
  const { network, pid, ipc, uts, cgroup } = input.namespaces;
  const result: Array<{ type: OciNamespaceType; path?: string }> = [{ type: 'mount' }];
  const add = (type: OciNamespaceType, choice: NamespaceChoice): void => {
    if (choice === 'host') return;
    result.push(choice === 'private' ? { type } : { type, path: choice.path });
  };
  if (input.userNamespace) add('user', 'path' in input.userNamespace ? input.userNamespace : 'private');
  add('network', network);
  add('uts', uts);
  add('pid', pid);
  add('ipc', ipc);
  add('cgroup', cgroup);
  return result;
}

function chooseSeccomp(input: SpecInput, capabilities: readonly string[]): OciSeccomp | undefined {
  const { security, machine, privileged } = input;
  if (security.seccomp === 'unconfined' || (security.seccomp === undefined && privileged)) return undefined;
  const { architecture, kernelRelease } = machine;
  const facts = { capabilities, architecture, kernelRelease };
  return security.seccomp === undefined ? defaultSeccomp(facts) : loadSeccomp(security.seccomp, facts);
}
