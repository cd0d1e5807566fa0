import { isIP } from 'node:net';
import { messageOf, TareError } from '../base/errors.ts';
import { parseSize } from '../base/sizes.ts';
import { parseUlimit, type Ulimit } from '../base/ulimits.ts';
import type { ContainerDefaults } from '../engine/containers/container-defaults.ts';
import { readLogConfig } from './log-options.ts';

export const CONTAINER_FLAGS = {
  'cgroup-parent': { type: 'string' },
  'default-cgroupns-mode': { type: 'string' },
  'default-ipc-mode': { type: 'string' },
  'default-shm-size': { type: 'string' },
  'default-ulimit': { type: 'string', multiple: true },
  dns: { type: 'string', multiple: true },
  'dns-opt': { type: 'string', multiple: true },
  'dns-search': { type: 'string', multiple: true },
  init: { type: 'boolean' },
  'log-driver': { type: 'string' },
  'log-opt': { type: 'string', multiple: true },
  'no-new-privileges': { type: 'boolean' },
} as const;

export const CONTAINER_KEYS = {
  'cgroup-parent': { kind: 'string', flag: 'cgroup-parent' },
  'default-cgroupns-mode': { kind: 'string', flag: 'default-cgroupns-mode' },
  'default-ipc-mode': { kind: 'string', flag: 'default-ipc-mode' },
  'default-shm-size': { kind: 'size', flag: 'default-shm-size' },
  'default-ulimits': { kind: 'map of ulimits', flag: 'default-ulimit' },
  dns: { kind: 'list', flag: 'dns' },
  'dns-opts': { kind: 'list', flag: 'dns-opt' },
  'dns-search': { kind: 'list', flag: 'dns-search' },
  init: { kind: 'boolean', flag: 'init' },
  'log-driver': { kind: 'string', flag: 'log-driver' },
  'log-opts': { kind: 'map of strings', flag: 'log-opt' },
  'no-new-privileges': { kind: 'boolean', flag: 'no-new-privileges' },
} as const;

type Flags = { readonly [Name in keyof typeof CONTAINER_FLAGS]?: string | boolean | string[] | undefined };

/** Reads what containers get by default from flags and file. Throws `invalid`. */
export function readContainerDefaults(
  flags: Flags,
  file: Readonly<Record<string, unknown>>,
): ContainerDefaults {
  const text = (name: 'cgroup-parent' | 'log-driver', fallback = ''): string =>
    String(flags[name] ?? file[name] ?? fallback);
  const list = (flag: 'dns' | 'dns-opt' | 'dns-search', key: string): readonly string[] =>
    ((flags[flag] ?? file[key] ?? []) as readonly unknown[]).map(String);
  const word = <const Word extends string>(
    name: 'default-ipc-mode' | 'default-cgroupns-mode',
    words: readonly Word[],
    fallback: Word,
  ): Word => {
    const value = String(flags[name] ?? file[name] ?? fallback);
    const found = words.find((known) => known === value);
    if (found !== undefined) return found;
    const choice = words.filter((known) => known !== '').join(' or ');
    throw invalid(`invalid ${name} "${value}": use ${choice}`);
  };
  const dns = list('dns', 'dns');
  const stranger = dns.find((address) => isIP(address) === 0);
  if (stranger !== undefined) throw invalid(`invalid dns "${stranger}": use IP addresses`);
  return {
    logConfig: readLogConfig(
      text('log-driver', 'json-file'),
      file['log-opts'] as Record<string, string> | undefined,
      flags['log-opt'] as string[] | undefined,
    ),
    ipcMode: word('default-ipc-mode', ['private', 'shareable'], 'private'),
    cgroupnsMode: word('default-cgroupns-mode', ['', 'host', 'private'], ''),
    shmSize: size(String(flags['default-shm-size'] ?? file['default-shm-size'] ?? '64m')),
    ulimits: flags['default-ulimit'] ? ulimitsOfFlags(flags['default-ulimit'] as string[]) : ulimitsOf(file),
    init: (flags.init ?? file.init) === true,
    noNewPrivileges: (flags['no-new-privileges'] ?? file['no-new-privileges']) === true,
    cgroupParent: text('cgroup-parent'),
    dns,
    dnsSearch: list('dns-search', 'dns-search'),
    dnsOptions: list('dns-opt', 'dns-opts'),
  };
}

/** True for the value of `default-ulimits`: `{"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}}`. */
export function isUlimitMap(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((limit) => typeof limit?.Soft === 'number' && typeof limit.Hard === 'number')
  );
}

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

function size(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw invalid(`invalid default-shm-size: ${messageOf(error)}; write for example 128m`);
  }
}

function ulimitsOfFlags(flags: readonly string[]): Ulimit[] {
  try {
    return flags.map(parseUlimit);
  } catch (error) {
    throw invalid(`invalid default-ulimit: ${messageOf(error)}; write for example nofile=1024:2048`);
  }
}

function ulimitsOf(file: Readonly<Record<string, unknown>>): Ulimit[] {
  const map = (file['default-ulimits'] ?? {}) as Record<string, { Soft: number; Hard: number }>;
  return Object.entries(map).map(([name, { Soft, Hard }]) => {
    try {
      return parseUlimit(`${name}=${Soft}:${Hard}`);
    } catch (error) {
      throw invalid(`default-ulimits: ${messageOf(error)}`);
    }
  });
}
