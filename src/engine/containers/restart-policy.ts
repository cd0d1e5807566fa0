import { TareError } from '../../base/errors.ts';
import type { ContainerState, HostConfig } from './model.ts';

type Policy = HostConfig['restartPolicy'];

/** Checks a policy in Docker's words. */
export function checkRestartPolicy(policy: Policy, autoRemove: boolean): void {
  const { name, maximumRetryCount } = policy;
  if (!['', 'no', 'always', 'unless-stopped', 'on-failure'].includes(name)) {
    throw new TareError(
      'invalid',
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (maximumRetryCount < 0) {
    throw new TareError('invalid', 'invalid restart policy: maximum retry count cannot be negative');
  }
  if (maximumRetryCount > 0 && name !== 'on-failure') {
    throw new TareError(
      'invalid',
      "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    );
  }
  if (autoRemove && name !== '' && name !== 'no') {
    throw new TareError('invalid', "can't create 'AutoRemove' container with restart policy");
  }
}

/** Whether a container that just ended is started again. `state` is the one before the end. */
export function shouldRestart(policy: Policy, state: ContainerState, exitCode: number): boolean {
  if (state.manuallyStopped) return false;
  switch (policy.name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return (
        exitCode !== 0 && (policy.maximumRetryCount === 0 || state.restartCount < policy.maximumRetryCount)
      );
    default:
      return false;
  }
}

/** Whether the daemon starts a stopped container when it starts itself. */
export function startsWithDaemon(policy: Policy, state: ContainerState): boolean {
  if (state.startedAt === 0) return false;
  if (policy.name === 'always') return true;
  // One that failed on its own, or that was ended with the machine, is a failure; as in dockerd.
  return shouldRestart(policy, state, state.exitCode);
}

/** A container that ran this long starts its back-off anew. Milliseconds. */
const SETTLED = 10_000;
const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;

/** Milliseconds to wait before the next restart, doubling each time as dockerd's does. */
export function nextDelay(previous: number, ranFor: number): number {
  if (previous === 0 || ranFor >= SETTLED) return FIRST_DELAY;
  return Math.min(previous * 2, LONGEST_DELAY);
}
