import { processCapabilities } from './build-spec.ts';
import { chooseCapabilities } from './capabilities.ts';
import { processEnvironment } from './environment.ts';
import type { MachineFacts, ResolvedUser, Ulimit } from './input.ts';
import type { OciProcess } from './oci-spec.ts';
import { allowedOomScore, ociRlimits } from './process-limits.ts';
import type { SecurityOptions } from './security-options.ts';

/** A further process in a container, with its user resolved. */
export interface ExecInput {
  readonly args: readonly string[];
  /** The container's variables and then the exec's. */
  readonly env: readonly string[];
  readonly hostname: string;
  /** Empty: `/`. */
  readonly workingDir: string;
  readonly terminal: boolean;
  readonly user: ResolvedUser;
  /** Of the exec or the container. */
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly security: SecurityOptions;
  /** The container's. */
  readonly ulimits: readonly Ulimit[];
  readonly oomScoreAdj: number;
  readonly machine: MachineFacts;
}

/** The OCI process of an exec, with the rights of its container. Pure. */
export function buildExecProcess(input: ExecInput): OciProcess {
  const { user, terminal, security, machine, privileged } = input;
  const { capabilities } = chooseCapabilities({
    privileged,
    add: input.capAdd,
    drop: input.capDrop,
    bounding: machine.capabilities,
  });
  // The container's start told what the machine does not allow.
  const { rlimits } = ociRlimits(input.ulimits, machine);
  const { home, ...processUser } = user;
  const apparmor = machine.apparmor ? security.apparmor : undefined;
  return {
    ...(terminal && { terminal }),
    user: processUser,
    args: input.args,
    env: processEnvironment(input.env, { hostname: input.hostname, terminal, home }),
    cwd: input.workingDir || '/',
    capabilities: processCapabilities(capabilities, user.uid),
    ...(rlimits.length > 0 && { rlimits }),
    ...(security.noNewPrivileges && { noNewPrivileges: true }),
    oomScoreAdj: allowedOomScore(input.oomScoreAdj, machine).oomScoreAdj,
    ...(apparmor !== undefined && apparmor !== 'unconfined' && { apparmorProfile: apparmor }),
  };
}
