import { messageOf, TareError } from '../base/errors.ts';
import { LineLogger, LOG_LEVELS, type LogLevel } from '../base/log.ts';
import type {
  RegistryCollection,
  RegistryRootSettings,
  RegistrySettings,
} from '../wire/registry-settings.ts';
import { collectRoot, startRegistry } from './registry-start.ts';

/**
 * `tare registry serve`: runs until SIGTERM or SIGINT and returns the exit code. SIGUSR1 collects garbage. Throws
 * what `startRegistry` throws.
 */
export async function serveRegistry(settings: RegistrySettings): Promise<number> {
  const log = new LineLogger(levelOf(settings.logLevel), (line) => process.stderr.write(line));
  const stop = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.resolve(signal));
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error: stackOf(error) }));
  process.umask(0o022);
  const registry = await startRegistry(settings, log);
  process.on('SIGUSR1', () => {
    registry.collect().catch((error) => log.error('garbage collection', { error: messageOf(error) }));
  });
  const { address, metricsAddress } = registry;
  log.info('registry is ready', {
    address,
    tls: settings.tlsCertificate !== '',
    root: settings.root,
    ...(metricsAddress === undefined ? {} : { metrics: metricsAddress }),
  });
  log.info('registry stopping', { signal: await stop.promise });
  await registry.close();
  return 0;
}

/** `tare registry gc` where no server runs on the root. */
export function collectRegistry(settings: RegistryRootSettings): Promise<RegistryCollection> {
  return collectRoot(settings, new LineLogger('warn', (line) => process.stderr.write(line)));
}

function levelOf(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new TareError('invalid', `invalid log level "${text}": use ${LOG_LEVELS.join(', ')}`);
  return level;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
