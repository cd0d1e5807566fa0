import { TareError } from '../../../base/errors.ts';
import type { HostConfig } from '../model.ts';
import { checkDriverOptions, DRIVER_NAMES, isCommonOption } from './driver-options.ts';
import { logSettings } from './log-settings.ts';

/** A driver and its options: Docker's `LogConfig`. */
export type LogConfig = HostConfig['logConfig'];

/**
 * A container's log configuration with the daemon's defaults, as dockerd merges them: the daemon's driver when none
 * is named, its options only for the same driver, and those of the local cache for every driver.
 */
export function withLogDefaults(asked: LogConfig, defaults: LogConfig): LogConfig {
  const type = asked.type || defaults.type;
  const inherited = Object.entries(defaults.config).filter(
    ([key]) => type === defaults.type || key.startsWith('cache-'),
  );
  return { type, config: { ...Object.fromEntries(inherited), ...asked.config } };
}

/**
 * Checks driver and options in dockerd's words; the values too, which dockerd looks at only when the container
 * starts. Throws `invalid`.
 */
export function checkLogConfig({ type, config }: LogConfig): void {
  if (type === 'none') return;
  if (!['', 'blocking', 'non-blocking'].includes(config.mode ?? '')) {
    throw new TareError('invalid', `logger: logging mode not supported: ${config.mode}`);
  }
  if (!DRIVER_NAMES.includes(type)) {
    throw new TareError('invalid', `error looking up logging plugin ${type}: plugin "${type}" not found`);
  }
  const own = Object.entries(config).filter(([key]) => !isCommonOption(key));
  checkDriverOptions(type, Object.fromEntries(own));
  logSettings({ type, config });
}

/** Options of other programs' queues: how long a line waits there, and when it is given up. */
const NO_EFFECT = [
  ...['async-reconnect-interval', 'buffer-limit', 'max-retries', 'write-timeout'].map(
    (name) => `fluentd-${name}`,
  ),
  'gelf-tcp-max-reconnect',
];

/** What is taken because Docker takes it, and does nothing here: lines wait in the log's files and are not given up. */
export function logWarnings({ config }: LogConfig): string[] {
  return NO_EFFECT.filter((name) => config[name] !== undefined).map(
    (name) => `log-opt ${name} has no effect: lines wait in the log's files until the destination takes them`,
  );
}
