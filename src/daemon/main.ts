import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createApi } from '../api/api.ts';
import { isKind, messageOf, TareError, wrapError } from '../base/errors.ts';
import { LineLogger } from '../base/log.ts';
import { compileQuery } from '../engine/containers/query.ts';
import { fromNodeError } from '../kernel/errno.ts';
import { type FileLock, lockFile } from '../kernel/file-lock.ts';
import { lazyBuildKit } from './buildkit-compose.ts';
import { clientFinder } from './client-finder.ts';
import { type DaemonConfig, readConfig } from './config.ts';
import { DAEMON_HELP } from './config-help.ts';
import { composeEngine, type Engine } from './engine.ts';
import { machineGoesDown } from './machine-down.ts';
import { writePidfile } from './pidfile.ts';
import { serveEngine } from './registry-engine.ts';
import { activatedSockets } from './sd-listen.ts';
import { Tidy } from './tidy.ts';

/** How long requests may go on after the daemon was told to stop. Milliseconds. */
const GRACE = 5_000;

/**
 * `tare daemon`: runs until SIGTERM or SIGINT and returns the exit code. Containers go on without it. SIGHUP
 * reads the configuration file again (log level, labels, registries).
 */
export async function runDaemon(argv: string[]): Promise<number> {
  let command: ReturnType<typeof readConfig>;
  try {
    command = readConfig(argv);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return 1;
  }
  if (command.action === 'help') {
    process.stdout.write(DAEMON_HELP);
    return 0;
  }
  if (command.action === 'validate') {
    process.stdout.write('configuration OK\n');
    return 0;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('tare daemon must run as root: use sudo, or install the systemd unit\n');
    return 1;
  }
  const { config } = command;
  const log = new LineLogger(config.logLevel, (line) => process.stderr.write(line));
  try {
    await serve(config, argv, log);
    return 0;
  } catch (error) {
    log.error(`failed to start daemon: ${messageOf(error)}`);
    if (!(error instanceof TareError) && error instanceof Error) log.debug(error.stack ?? '');
    return 1;
  }
}

async function serve(config: DaemonConfig, argv: readonly string[], log: LineLogger): Promise<void> {
  // Whatever started us may have a restrictive mask; modes are given where files are made.
  process.umask(0o022);
  // Until the engine can reload, the default action would end the process.
  process.on('SIGHUP', () => {});
  const stop = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.resolve(signal));
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error: stackOf(error) }));
  process.on('uncaughtException', (error) => log.error('uncaught exception', { error: stackOf(error) }));

  const lock = takeRoots(config);
  const removePidfile = writePidfile(config.pidfile);
  const engine = await composeEngine(config, log);
  process.on('SIGHUP', () => reload(argv, log, engine));
  const finishRecovery = await engine.recover();
  const api = createApi({
    ...engine,
    buildkit: lazyBuildKit(engine, config, log),
    log,
    paths: (id) => ({
      resolvConf: engine.paths.resolvConf(id),
      hostname: engine.paths.hostname(id),
      hosts: engine.paths.hosts(id),
      log: engine.paths.log(id),
      // Nothing of a running container is mounted where the host can see it.
      root: '',
    }),
    storageDriver: engine.snapshotter.name,
    imageRegistry: {
      serve: (options, write) =>
        serveEngine(options, engine.images.distribution(), new LineLogger('info', write)),
    },
    compileQuery,
    now: Date.now,
    clientOf: clientFinder(),
  });
  for (const host of config.hosts) {
    if (host.startsWith('unix://')) {
      const path = host.slice('unix://'.length);
      mkdirSync(join(path, '..'), { recursive: true });
      await api.listenPath(path, config.group);
    } else {
      const descriptors = activatedSockets(process.env, process.pid);
      if (descriptors.length === 0) {
        throw new TareError(
          'invalid',
          'no sockets found via socket activation: make sure the service was started by systemd',
        );
      }
      for (const fd of descriptors) await api.listenFd(fd);
    }
  }
  const registry = serveEngine(config.registry, engine.images.distribution(), log);
  log.info('daemon has completed initialization', { version: engine.version, pid: process.pid });
  finishRecovery().catch((error) => log.error('recovery', { error: messageOf(error) }));

  const tidy = new Tidy();
  engine.events.subscribe(undefined, () => tidy.touch());
  const signal = await stop.promise;
  tidy.close();
  const machineToo = await machineGoesDown();
  const theyEnd = machineToo || !config.liveRestore;
  log.info(theyEnd ? 'stopping, and the containers too' : 'stopping; containers go on', {
    signal,
    machineToo,
  });
  await registry.close();
  await api.close(GRACE);
  if (theyEnd) await engine.endContainers();
  await engine.close();
  removePidfile();
  lock.release();
}

/** Makes the data root and the exec root and locks the former. Throws when another daemon has it. */
function takeRoots({ dataRoot, execRoot }: DaemonConfig): FileLock {
  try {
    mkdirSync(dataRoot, { recursive: true, mode: 0o711 });
    mkdirSync(execRoot, { recursive: true, mode: 0o711 });
  } catch (error) {
    throw fromNodeError(error, 'making the data root and exec root');
  }
  try {
    return lockFile(join(dataRoot, 'tare.lock'));
  } catch (error) {
    if (!isKind(error, 'conflict')) throw fromNodeError(error, `locking the data root ${dataRoot}`);
    throw wrapError(
      error,
      `the data root ${dataRoot} is in use by another daemon; stop that one or give --data-root another directory`,
    );
  }
}

function reload(argv: readonly string[], log: LineLogger, engine: Engine): void {
  try {
    const command = readConfig(argv);
    if (command.action !== 'run') return;
    log.setLevel(command.config.logLevel);
    engine.reload(command.config);
    log.info('configuration reloaded', { file: command.config.configFile, level: command.config.logLevel });
  } catch (error) {
    log.error('the configuration was not reloaded', { error: messageOf(error) });
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
