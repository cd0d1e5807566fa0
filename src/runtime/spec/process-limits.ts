import { TareError } from '../../base/errors.ts';
import { ULIMIT_NAMES } from '../../base/ulimits.ts';
import type { MachineFacts, Ulimit } from './input.ts';
import type { OciProcess } from './oci-spec.ts';

/** RLIM_INFINITY. A double cannot hold it: `encodeSpec` writes it exactly. */
export const UNLIMITED = 2 ** 64;

/**
 * `--ulimit` in OCI's form. A limit above the daemon's own hard one is lowered to it with a warning when the
 * daemon may not raise limits (CAP_SYS_RESOURCE). Throws `invalid` for a name that is none.
 */
export function ociRlimits(
  ulimits: readonly Ulimit[],
  machine: MachineFacts,
): { rlimits: NonNullable<OciProcess['rlimits']>; warnings: string[] } {
  const warnings: string[] = [];
  const mayRaise = machine.capabilities.includes('CAP_SYS_RESOURCE');
  const rlimits = ulimits.map(({ name, soft, hard }) => {
    if (!ULIMIT_NAMES.includes(name)) throw new TareError('invalid', `invalid ulimit type: ${name}`);
    const own = machine.hardLimits[name] ?? -1;
    const bounded = (value: number): number => {
      const wanted = value < 0 ? UNLIMITED : value;
      return own >= 0 && wanted > own && !mayRaise ? own : wanted;
    };
    if (bounded(hard) !== (hard < 0 ? UNLIMITED : hard)) {
      warnings.push(`The daemon's own hard limit for ${name} is ${own}. ${name} limited to ${own}.`);
    }
    return { type: `RLIMIT_${name.toUpperCase()}`, soft: bounded(soft), hard: bounded(hard) };
  });
  return { rlimits, warnings };
}

/** An OOM score that the daemon may set: never below its own without CAP_SYS_RESOURCE. */
export function allowedOomScore(
  wanted: number,
  machine: MachineFacts,
): { oomScoreAdj: number; warnings: string[] } {
  if (wanted >= machine.oomScoreAdj || machine.capabilities.includes('CAP_SYS_RESOURCE')) {
    return { oomScoreAdj: wanted, warnings: [] };
  }
  // 0 is nobody's wish but the default.
  const warnings =
    wanted === 0
      ? []
      : [
          `The daemon may not lower OOM scores below its own (${machine.oomScoreAdj}). OomScoreAdj discarded.`,
        ];
  return { oomScoreAdj: machine.oomScoreAdj, warnings };
}
