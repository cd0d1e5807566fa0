import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, TareError } from '../base/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../base/log.ts';
import { parseSize } from '../base/sizes.ts';
import type { CgroupDriver } from '../engine/containers/cgroup-path.ts';
import type { ContainerDefaults } from '../engine/containers/container-defaults.ts';
import { PLUGIN_FOLDERS } from '../engine/volumes/plugins/plugin-finder.ts';
import { codeOf, fromNodeError } from '../kernel/errno.ts';
import { DEFAULT_CDI_DIRECTORIES } from '../runtime/cdi/cdi-registry.ts';
import { CONTAINER_FLAGS, CONTAINER_KEYS, isUlimitMap, readContainerDefaults } from './container-options.ts';
import { readExecOptions } from './exec-opts.ts';
import {
  isPoolList,
  NETWORK_FLAGS,
  NETWORK_KEYS,
  type NetworkOptions,
  readNetworkOptions,
} from './network-options.ts';
import type { EngineRegistryOptions } from './registry-engine.ts';
import { type RegistryOptions, registryOptions } from './registry-options.ts';

/** How a daemon is set up; names and meanings are dockerd's. */
export interface DaemonConfig {
  /** `unix://PATH` or `fd://`. */
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly bridge: string;
  readonly networks: NetworkOptions;
  readonly logLevel: LogLevel;
  readonly debug: boolean;
  /** Group of the sockets; empty: `tare` or `docker`, whichever exists. */
  readonly group: string;
  readonly registries: RegistryOptions;
  readonly labels: readonly string[];
  /** Who makes containers' cgroups. */
  readonly cgroupDriver: CgroupDriver;
  /** Where plugins announce themselves. */
  readonly pluginFolders: readonly string[];
  /** `default`, USER[:GROUP] or UID[:GID]: whose subordinate ids containers get; empty: they are in the host's users. */
  readonly usernsRemap: string;
  /** Where devices are described (CDI), in rising precedence; none: no such devices. */
  readonly cdiDirectories: readonly string[];
  readonly containerDefaults: ContainerDefaults;
  /** Containers go on without the daemon; else a daemon that is told to end ends them. dockerd's default is false. */
  readonly liveRestore: boolean;
  /** journald's native socket, for the log driver of that name. */
  readonly journaldSocket: string;
  /** How layers are kept; undefined: what the data root has, else EROFS where that works. */
  readonly storageDriver: 'erofs' | 'overlay' | undefined;
  /** Bytes that one layer may unpack to; undefined: the free space less 5 %. */
  readonly maxLayerSize: number | undefined;
  /** Which compressed forms of layers stay beside them. */
  readonly keepCompressed: 'auto' | 'always' | 'never';
  /** Who reaches published ports: everybody, as with Docker, or whom the host's own input policy lets. */
  readonly publish: 'open' | 'filtered';
  /** Where the images here are served to other machines. */
  readonly registry: EngineRegistryOptions;
  readonly configFile: string;
}

export const DEFAULT_CONFIG_FILE = '/etc/tare/daemon.json';
export const DEFAULT_HOST = 'unix:///run/tare/tare.sock';

const FLAGS = {
  host: { type: 'string', multiple: true, short: 'H' },
  'data-root': { type: 'string' },
  'exec-root': { type: 'string' },
  pidfile: { type: 'string', short: 'p' },
  bridge: { type: 'string', short: 'b' },
  ...NETWORK_FLAGS,
  ...CONTAINER_FLAGS,
  'journald-socket': { type: 'string' },
  'log-level': { type: 'string', short: 'l' },
  debug: { type: 'boolean', short: 'D' },
  group: { type: 'string', short: 'G' },
  'insecure-registry': { type: 'string', multiple: true },
  'registry-mirror': { type: 'string', multiple: true },
  'registry-certs-dir': { type: 'string', multiple: true },
  'max-concurrent-downloads': { type: 'string' },
  'max-concurrent-uploads': { type: 'string' },
  'max-download-attempts': { type: 'string' },
  'http-proxy': { type: 'string' },
  'https-proxy': { type: 'string' },
  'no-proxy': { type: 'string' },
  'userns-remap': { type: 'string' },
  'cdi-spec-dir': { type: 'string', multiple: true },
  'registry-addr': { type: 'string' },
  'registry-tls-cert': { type: 'string' },
  'registry-tls-key': { type: 'string' },
  'registry-htpasswd': { type: 'string' },
  'registry-auth-config': { type: 'string' },
  label: { type: 'string', multiple: true },
  'exec-opt': { type: 'string', multiple: true },
  'plugin-dir': { type: 'string', multiple: true },
  'live-restore': { type: 'boolean' },
  'max-layer-size': { type: 'string' },
  'keep-compressed': { type: 'string' },
  publish: { type: 'string' },
  'storage-driver': { type: 'string', short: 's' },
  'config-file': { type: 'string' },
  validate: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type FileKind =
  | 'string'
  | 'boolean'
  | 'number'
  | 'list'
  | 'map of strings'
  | 'map of lists'
  | 'list of pools'
  | 'map of ulimits'
  | 'size';

/** Keys of the configuration file and the kind of value each takes. `flag` is the flag that says the same. */
const FILE_KEYS: Readonly<Record<string, { kind: FileKind; flag: keyof typeof FLAGS | undefined }>> = {
  hosts: { kind: 'list', flag: 'host' },
  'data-root': { kind: 'string', flag: 'data-root' },
  'exec-root': { kind: 'string', flag: 'exec-root' },
  pidfile: { kind: 'string', flag: 'pidfile' },
  bridge: { kind: 'string', flag: 'bridge' },
  ...NETWORK_KEYS,
  ...CONTAINER_KEYS,
  'journald-socket': { kind: 'string', flag: 'journald-socket' },
  'log-level': { kind: 'string', flag: 'log-level' },
  debug: { kind: 'boolean', flag: 'debug' },
  group: { kind: 'string', flag: 'group' },
  'insecure-registries': { kind: 'list', flag: 'insecure-registry' },
  'registry-mirrors': { kind: 'list', flag: 'registry-mirror' },
  'registry-certs-dirs': { kind: 'list', flag: 'registry-certs-dir' },
  'max-concurrent-downloads': { kind: 'number', flag: 'max-concurrent-downloads' },
  'max-concurrent-uploads': { kind: 'number', flag: 'max-concurrent-uploads' },
  'max-download-attempts': { kind: 'number', flag: 'max-download-attempts' },
  // The three flags are the map's members.
  proxies: { kind: 'map of strings', flag: undefined },
  // dockerd knows mirrors of Docker Hub only.
  mirrors: { kind: 'map of lists', flag: undefined },
  'registry-addr': { kind: 'string', flag: 'registry-addr' },
  'registry-tls-cert': { kind: 'string', flag: 'registry-tls-cert' },
  'registry-tls-key': { kind: 'string', flag: 'registry-tls-key' },
  'registry-htpasswd': { kind: 'string', flag: 'registry-htpasswd' },
  'registry-auth-config': { kind: 'string', flag: 'registry-auth-config' },
  labels: { kind: 'list', flag: 'label' },
  'exec-opts': { kind: 'list', flag: 'exec-opt' },
  'plugin-dirs': { kind: 'list', flag: 'plugin-dir' },
  'userns-remap': { kind: 'string', flag: 'userns-remap' },
  'cdi-spec-dirs': { kind: 'list', flag: 'cdi-spec-dir' },
  'max-layer-size': { kind: 'string', flag: 'max-layer-size' },
  'keep-compressed': { kind: 'string', flag: 'keep-compressed' },
  publish: { kind: 'string', flag: 'publish' },
  'storage-driver': { kind: 'string', flag: 'storage-driver' },
  'live-restore': { kind: 'boolean', flag: 'live-restore' },
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
    networks: readNetworkOptions(flags, file),
    logLevel: debug ? 'debug' : checkLevel(level),
    debug,
    group: text(flags.group, 'group', ''),
    registries: readRegistries(flags, file, list),
    registry: {
      address: text(flags['registry-addr'], 'registry-addr', ''),
      tlsCertificate: text(flags['registry-tls-cert'], 'registry-tls-cert', ''),
      tlsKey: text(flags['registry-tls-key'], 'registry-tls-key', ''),
      htpasswd: text(flags['registry-htpasswd'], 'registry-htpasswd', ''),
      authConfig: text(flags['registry-auth-config'], 'registry-auth-config', ''),
    },
    labels: list(flags.label, 'labels'),
    cgroupDriver: readExecOptions(list(flags['exec-opt'], 'exec-opts')),
    pluginFolders: list(
      flags['plugin-dir'] ?? (file['plugin-dirs'] ? undefined : PLUGIN_FOLDERS),
      'plugin-dirs',
    ),
    journaldSocket: text(flags['journald-socket'], 'journald-socket', '/run/systemd/journal/socket'),
    containerDefaults: readContainerDefaults(flags, file),
    liveRestore: flags['live-restore'] ?? file['live-restore'] !== false,
    usernsRemap: text(flags['userns-remap'], 'userns-remap', ''),
    cdiDirectories: readCdiDirectories(flags['cdi-spec-dir'] ?? file['cdi-spec-dirs']),
    storageDriver: checkDriver(text(flags['storage-driver'], 'storage-driver', '')),
    maxLayerSize: checkLayerSize(text(flags['max-layer-size'], 'max-layer-size', '')),
    keepCompressed: checkKeepCompressed(text(flags['keep-compressed'], 'keep-compressed', 'auto')),
    publish: checkPublish(text(flags.publish, 'publish', 'open')),
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

/** As dockerd has it, one empty entry stands for none. */
function readCdiDirectories(given: unknown): readonly string[] {
  if (!Array.isArray(given) || given.length === 0) return DEFAULT_CDI_DIRECTORIES;
  return given.map(String).filter((path) => path !== '');
}

function readRegistries(
  flags: ReturnType<typeof parseFlags>,
  file: ConfigFile,
  list: (flag: readonly string[] | undefined, key: string) => readonly string[],
): RegistryOptions {
  const count = (name: 'max-concurrent-downloads' | 'max-concurrent-uploads' | 'max-download-attempts') => {
    const value = flags[name] ?? file[name];
    return value === undefined ? undefined : Number(value);
  };
  const proxies: Record<string, string> = { ...(file.proxies as Record<string, string> | undefined) };
  for (const name of ['http-proxy', 'https-proxy', 'no-proxy'] as const) {
    const value = flags[name];
    if (value === undefined) continue;
    if (proxies[name] !== undefined) {
      throw invalid(
        `the following directives are specified both as a flag and in the configuration file: proxies.${name}`,
      );
    }
    proxies[name] = value;
  }
  const given = {
    insecureRegistries: list(flags['insecure-registry'], 'insecure-registries'),
    registryMirrors: list(flags['registry-mirror'], 'registry-mirrors'),
    mirrors: file.mirrors as Record<string, string[]> | undefined,
    maxConcurrentDownloads: count('max-concurrent-downloads'),
    maxConcurrentUploads: count('max-concurrent-uploads'),
    maxDownloadAttempts: count('max-download-attempts'),
    proxies,
    certificateFolders: list(flags['registry-certs-dir'], 'registry-certs-dirs'),
  };
  return registryOptions(given, process.env);
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

function checkKeepCompressed(value: string): DaemonConfig['keepCompressed'] {
  if (value === 'auto' || value === 'always' || value === 'never') return value;
  throw invalid(`invalid keep-compressed "${value}": use auto, always or never`);
}

function checkPublish(value: string): DaemonConfig['publish'] {
  if (value === 'open' || value === 'filtered') return value;
  throw invalid(
    `invalid publish "${value}": use open (everybody reaches published ports) or filtered (the host's input policy decides)`,
  );
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

type ConfigFile = Readonly<Record<string, unknown>>;

const PROXY_KEYS: readonly string[] = ['http-proxy', 'https-proxy', 'no-proxy'];

const isString = (value: unknown): boolean => typeof value === 'string';
const isList = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
const isMap = (value: unknown, of: (member: unknown) => boolean): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(of);

const IS_KIND: Readonly<Record<FileKind, (value: unknown) => boolean>> = {
  string: isString,
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  list: isList,
  'map of strings': (value) => isMap(value, isString),
  'map of lists': (value) => isMap(value, isList),
  'list of pools': isPoolList,
  'map of ulimits': isUlimitMap,
  size: (value) => typeof value === 'string' || typeof value === 'number',
};

function checkDriver(name: string): DaemonConfig['storageDriver'] {
  if (name === '') return undefined;
  // A daemon.json from Docker may name its driver: ours is of the same kind.
  if (name === 'overlay' || name === 'overlay2') return 'overlay';
  if (name === 'erofs') return 'erofs';
  throw invalid(`unknown storage driver "${name}": use erofs or overlay`);
}

/** The configuration file's object, checked key by key; a missing default file is an empty one. */
export function readConfigFile(path: string, mustExist: boolean): ConfigFile {
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
    if (kind !== undefined && !IS_KIND[kind](value)) throw fail(`"${key}" must be a ${kind}`);
    if (key !== 'proxies') continue;
    const stranger = Object.keys(value as object).find((name) => !PROXY_KEYS.includes(name));
    if (stranger !== undefined) throw fail(`"proxies" has no "${stranger}": use ${PROXY_KEYS.join(', ')}`);
  }
  return Object.fromEntries(Object.entries(file));
}
