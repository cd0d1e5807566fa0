import { CommandFailure } from '../failure.ts';
import type { ContainerFlags } from './settings.ts';

/** Flags of docker's that only a daemon on Windows knows. */
const WINDOWS = ['cpu-count', 'cpu-percent', 'io-maxbandwidth', 'io-maxiops'] as const;

/** Refuses flags of other systems in the docker CLI's words. */
export function refuseOtherSystems(flags: ContainerFlags): void {
  const given = WINDOWS.filter((name) => flags[name] !== 0);
  if (given.length === 0) return;
  const lines = given.map(
    (name) =>
      `"--${name}" is only supported on a Docker daemon running on windows, but the Docker daemon is running on linux`,
  );
  throw new CommandFailure(lines.join('\n'));
}
