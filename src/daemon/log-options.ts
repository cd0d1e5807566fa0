import { messageOf, TareError } from '../base/errors.ts';
import { checkLogConfig, type LogConfig } from '../engine/containers/logging/log-config.ts';

/**
 * The log driver and options of containers that name none, from the configuration file's map and the flags'
 * `KEY=VALUE`; checked as those of a container are. Throws `invalid` in dockerd's words.
 */
export function readLogConfig(
  type: string,
  file: Readonly<Record<string, string>> | undefined,
  flags: readonly string[] | undefined,
): LogConfig {
  const config = { ...file };
  for (const flag of flags ?? []) {
    const cut = flag.indexOf('=');
    if (cut <= 0)
      throw new TareError('invalid', `invalid argument "${flag}" for "--log-opt" flag: use KEY=VALUE`);
    config[flag.slice(0, cut)] = flag.slice(cut + 1);
  }
  try {
    checkLogConfig({ type, config });
  } catch (error) {
    throw new TareError('invalid', `failed to set log opts: ${messageOf(error)}`);
  }
  return { type, config };
}
