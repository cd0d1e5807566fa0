import { TareError } from '../../base/errors.ts';
import { chooseCapabilities } from '../../runtime/spec/capabilities.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import { allowedOomScore, ociRlimits } from '../../runtime/spec/process-limits.ts';
import { adaptResources, ociLimits } from '../../runtime/spec/resources.ts';
import type { HostConfig, Resources } from './model.ts';

/**
 * Holds a request against this machine before anything is made. What the kernel, the cgroup version or the daemon's
 * own rights do not allow is dropped with dockerd's warning. Throws `invalid` for what could never be started: a
 * device that is not there, an OOM score outside its range.
 */
export function fitToMachine(
  host: HostConfig,
  machine: MachineFacts,
): { resources: Resources; warnings: string[] } {
  const { oomScoreAdj } = host;
  if (oomScoreAdj < -1000 || oomScoreAdj > 1000) {
    throw new TareError('invalid', `Invalid value ${oomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  if (machine.cgroupVersion === 1 && host.privileged && host.cgroupnsMode === 'private') {
    throw new TareError(
      'invalid',
      'privileged mode is incompatible with private cgroup namespaces on cgroup v1 host.  You must run the container in the host cgroup namespace when running privileged mode',
    );
  }
  const { resources, warnings } = adaptResources(host.resources, machine.cgroups);
  ociLimits(resources, machine);
  const rights = chooseCapabilities({
    privileged: host.privileged,
    add: host.capAdd,
    drop: host.capDrop,
    bounding: machine.capabilities,
  });
  return {
    resources,
    warnings: [
      ...warnings,
      ...rights.warnings,
      ...ociRlimits(resources.ulimits, machine).warnings,
      ...allowedOomScore(oomScoreAdj, machine).warnings,
    ],
  };
}
