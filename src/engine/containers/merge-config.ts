import type { ImageRunConfig } from '../../oci/image-config.ts';
import type { ContainerConfig } from './model.ts';

/**
 * `KEY=value` lists as dockerd merges them: the user's as they are, then what only the image has. A bare `KEY` keeps
 * the image's value out, and the process's environment leaves it away.
 */
export function mergeEnv(image: readonly string[], user: readonly string[]): string[] {
  const keyOf = (entry: string): string => entry.split('=', 1)[0] ?? '';
  const own = new Set(user.map(keyOf));
  return [...user, ...image.filter((entry) => !own.has(keyOf(entry)))];
}

/**
 * Fills what the user left open from the image, as dockerd merges: an own entrypoint drops the image's command;
 * an entrypoint of one empty string drops the image's entrypoint.
 */
export function mergeConfig(user: ContainerConfig, image: ImageRunConfig): ContainerConfig {
  const merged: ContainerConfig = {
    ...user,
    user: user.user || image.User || '',
    workingDir: user.workingDir || image.WorkingDir || '',
    env: mergeEnv(image.Env ?? [], user.env),
    labels: { ...image.Labels, ...user.labels },
    exposedPorts: { ...image.ExposedPorts, ...user.exposedPorts },
    volumes: { ...image.Volumes, ...user.volumes },
  };
  if (!user.entrypoint?.length) {
    if (!user.cmd?.length) merged.cmd = image.Cmd ? [...image.Cmd] : user.cmd;
    if (user.entrypoint === null) merged.entrypoint = image.Entrypoint ? [...image.Entrypoint] : null;
  } else if (user.entrypoint.length === 1 && user.entrypoint[0] === '') {
    merged.entrypoint = null;
  }
  const stopSignal = user.stopSignal || image.StopSignal;
  if (stopSignal) merged.stopSignal = stopSignal;
  if (!user.shell && image.Shell) merged.shell = [...image.Shell];
  if (image.OnBuild?.length && !user.onBuild) merged.onBuild = [...image.OnBuild];
  const own = user.healthcheck;
  const inherited = image.Healthcheck;
  if (inherited && !own) merged.healthcheck = inherited;
  else if (inherited && own) {
    merged.healthcheck = {
      Test: own.Test?.length ? own.Test : (inherited.Test ?? []),
      Interval: own.Interval || inherited.Interval || 0,
      Timeout: own.Timeout || inherited.Timeout || 0,
      StartPeriod: own.StartPeriod || inherited.StartPeriod || 0,
      StartInterval: own.StartInterval || inherited.StartInterval || 0,
      Retries: own.Retries || inherited.Retries || 0,
    };
  }
  return merged;
}
