import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, TareError } from '../base/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../base/log.ts';
import { parseSize } from '../base/sizes.ts';
import { codeOf, fromNodeError } from '../kernel/errno.ts';

/** How a daemon is set up; names and meanings are dockerd's. */
export interface DaemonConfig {
  /** `unix://PATH` or `fd://`. */
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly bridge: string;
  /** CIDR of the default bridge's own address, or empty. */
  readonly bip: string;
  readonly logLevel: LogLevel;
  readonly debug: boolean;
  /** Group of the sockets; empty: `tare` or `docker`, whichever exists. */
  readonly group: string;
  readonly insecureRegistries: readonly string[];
  /** Base URLs that are asked before Docker Hub. */
  readonly registryMirrors: readonly string[];
  readonly labels: readonly string[];
  /** Bytes that one layer may unpack to; undefined: the free space less 5 %. */
  readonly maxLayerSize: number | undefined;
  readonly configFile: string;
}

const DEFAULT_CONFIG_FILE = '/etc/tare/daemon.json';
const DEFAULT_HOST = 'unix:///run/tare/tare.sock';

const FLAGS = {
  host: { type: 'string', multiple: true, short: 'H' },
  'data-root': { type: 'string' },
  'exec-root': { type: 'string' },
  pidfile: { type: 'string', short: 'p' },
  bridge: { type: 'string', short: 'b' },
  bip: { type: 'string' },
  'log-level': { type: 'string', short: 'l' },
  debug: { type: 'boolean', short: 'D' },
  group: { type: 'string', short: 'G' },
  'insecure-registry': { type: 'string', multiple: true },
  'registry-mirror': { type: 'string', multiple: true },
  label: { type: 'string', multiple: true },
  'max-layer-size': { type: 'string' },
  'config-file': { type: 'string' },
  validate: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Keys of the configuration file and the kind of value each takes. `flag` is the flag that says the same. */
const FILE_KEYS: Readonly<
  Record<string, { kind: 'string' | 'boolean' | 'list'; flag: keyof typeof FLAGS | undefined }>
> = {
  hosts: { kind: 'list', flag: 'host' },
  'data-root': { kind: 'string', flag: 'data-root' },
  'exec-root': { kind: 'string', flag: 'exec-root' },
  pidfile: { kind: 'string', flag: 'pidfile' },
  bridge: { kind: 'string', flag: 'bridge' },
  bip: { kind: 'string', flag: 'bip' },
  'log-level': { kind: 'string', flag: 'log-level' },
  debug: { kind: 'boolean', flag: 'debug' },
  group: { kind: 'string', flag: 'group' },
  'insecure-registries': { kind: 'list', flag: 'insecure-registry' },
  'registry-mirrors': { kind: 'list', flag: 'registry-mirror' },
  labels: { kind: 'list', flag: 'label' },
  'max-layer-size': { kind: 'string', flag: 'max-layer-size' },
  // Containers always outlive the daemon here; the key is taken so that a daemon.json from Docker works.
  'live-restore': { kind: 'boolean', flag: undefined },
};

/** What the command line asked for. */
export type DaemonCommand =
  | { readonly action: 'help' }
  | { readonly action: 'run' | 'validate'; readonly config: DaemonConfig; readonly flags: readonly string[] };

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

/** Reads flags and configuration file. Throws `invalid` in dockerd's words for what is wrong in either. */
export function readConfig(argv: readonly string[]): DaemonCommand {
  let flags: ReturnType<typeof parseFlags>;
  try {
    flags = parseFlags(argv);
  } catch (error) {
    throw invalid(`${error instanceof Error ? error.message : String(error)}. See 'tare daemon --help'.`);
  }
  if (flags.help) return { action: 'help' };
  const configFile = flags['config-file'] ?? DEFAULT_CONFIG_FILE;
  const file = readConfigFile(configFile, flags['config-file'] !== undefined);
  const both = Object.keys(file).filter((key) => {
    const flag = FILE_KEYS[key]?.flag;
    return flag !== undefined && flags[flag] !== undefined;
  });
  if (both.length > 0) {
    const list = both.map((key) => `${key}: (from flag and from file)`).join(', ');
    throw invalid(
      `unable to configure the daemon with file ${configFile}: the following directives are specified both as a flag and in the configuration file: ${list}`,
    );
  }
  const text = (flag: string | undefined, key: string, fallback: string): string =>
    flag ?? (typeof file[key] === 'string' ? file[key] : fallback);
  const list = (flag: readonly string[] | undefined, key: string): readonly string[] =>
    flag ?? (Array.isArray(file[key]) ? file[key].map(String) : []);
  const debug = flags.debug ?? file.debug === true;
  const execRoot = text(flags['exec-root'], 'exec-root', '/run/tare');
  const hosts = list(flags.host, 'hosts');
  const level = text(flags['log-level'], 'log-level', 'info');
  const config: DaemonConfig = {
    hosts: hosts.length > 0 ? hosts.map(checkHost) : [DEFAULT_HOST],
    dataRoot: text(flags['data-root'], 'data-root', '/var/lib/tare'),
    execRoot,
    pidfile: text(flags.pidfile, 'pidfile', `${execRoot}/tare.pid`),
    bridge: text(flags.bridge, 'bridge', 'tare0'),
    bip: text(flags.bip, 'bip', ''),
    logLevel: debug ? 'debug' : checkLevel(level),
    debug,
    group: text(flags.group, 'group', ''),
    insecureRegistries: list(flags['insecure-registry'], 'insecure-registries'),
    registryMirrors: list(flags['registry-mirror'], 'registry-mirrors'),
    labels: list(flags.label, 'labels'),
    maxLayerSize: checkLayerSize(text(flags['max-layer-size'], 'max-layer-size', '')),
    configFile,
  };
  for (const [name, path] of [
    ['data-root', config.dataRoot],
    ['exec-root', config.execRoot],
    ['pidfile', config.pidfile],
  ] as const) {
    if (!isAbsolute(path)) throw invalid(`${name} must be an absolute path, not "${path}"`);
  }
  if (config.bridge !== 'none' && !/^[^\s/:]{1,15}$/.test(config.bridge)) {
    throw invalid(
      `invalid bridge name "${config.bridge}": at most 15 characters, no blanks, slashes or colons`,
    );
  }
  return { action: flags.validate ? 'validate' : 'run', config, flags: argv };
}

function parseFlags(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: FLAGS, allowPositionals: false }).values;
}

function checkHost(host: string): string {
  if (host.startsWith('/')) return `unix://${host}`;
  if (host.startsWith('unix://') && host.length > 'unix://'.length) return host;
  if (host === 'fd://' || host.startsWith('fd://')) return host;
  if (host.startsWith('tcp://')) {
    throw invalid(
      `tcp:// needs TLS, which this version of tare does not have: use unix:// (over ssh: forward the socket) instead of ${host}`,
    );
  }
  throw invalid(`invalid host "${host}": use unix://PATH or fd://`);
}

function checkLayerSize(size: string): number | undefined {
  if (size === '') return undefined;
  try {
    return parseSize(size);
  } catch (error) {
    throw invalid(`max-layer-size: ${messageOf(error)}; write for example 20g`);
  }
}

function checkLevel(level: string): LogLevel {
  const found = LOG_LEVELS.find((known) => known === level);
  if (!found) throw invalid(`invalid log level: "${level}": use one of ${LOG_LEVELS.join(', ')}`);
  return found;
}

/** The configuration file's object, checked key by key; a missing default file is an empty one. */
export function readConfigFile(path: string, mustExist: boolean): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && !mustExist) return {};
    throw fromNodeError(error, `unable to configure the daemon with file ${path}`);
  }
  const fail = (why: string): TareError =>
    invalid(`unable to configure the daemon with file ${path}: ${why}`);
  let file: unknown;
  try {
    file = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw fail(`invalid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (file === null || typeof file !== 'object' || Array.isArray(file))
    throw fail('it must hold a JSON object');
  const unknown = Object.keys(file).filter((key) => FILE_KEYS[key] === undefined);
  if (unknown.length > 0) {
    throw fail(`the following directives don't match any configuration option: ${unknown.join(', ')}`);
  }
  for (const [key, value] of Object.entries(file)) {
    const kind = FILE_KEYS[key]?.kind;
    const isList = Array.isArray(value) && value.every((entry) => typeof entry === 'string');
    if (kind === 'list' ? !isList : typeof value !== kind) throw fail(`"${key}" must be a ${kind}`);
  }
  return Object.fromEntries(Object.entries(file));
}

/** The help text of `tare daemon`. */
export const DAEMON_HELP = `Usage:  tare daemon [OPTIONS]

Run the engine in the foreground

Options:
  -b, --bridge string             Default bridge, made if missing (default "tare0"; "none": no default network)
      --bip string                Address of the default bridge in CIDR notation
      --config-file string        Configuration file (default "${DEFAULT_CONFIG_FILE}")
      --data-root string          Images, volumes, metadata (default "/var/lib/tare")
  -D, --debug                     Log at level debug
      --exec-root string          State of running containers (default "/run/tare")
  -G, --group string              Group of the socket (default: tare or docker, if one exists)
  -H, --host list                 Socket to listen on, unix://PATH or fd:// (default "${DEFAULT_HOST}")
      --insecure-registry list    Registry that may be asked over plain HTTP
      --label list                Label that info shows
  -l, --log-level string          debug, info, warn, error or fatal (default "info")
      --max-layer-size string     What one layer may unpack to, as 20g (default: the free space less 5 %)
      --registry-mirror list      Mirror that is asked before Docker Hub
  -p, --pidfile string            Where to write the process id (default "EXEC-ROOT/tare.pid")
      --validate                  Check the configuration and exit
`;
