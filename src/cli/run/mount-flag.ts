import { resolve } from 'node:path';
import type { Mount, MountType } from '../../wire/containers.ts';
import type { FlagKind } from '../flags/flag.ts';
import { parseBytes } from '../format/size.ts';
import { csvFields, keyValue } from './csv.ts';

type Options = Required<Pick<Mount, 'BindOptions' | 'VolumeOptions' | 'TmpfsOptions' | 'ImageOptions'>>;

function flagValue(key: string, value: string | undefined): boolean {
  if (value === undefined || ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value)) return false;
  throw new Error(`invalid value for ${key}: ${value}`);
}

function readonlyMode(_: Mount, options: Options, value: string): void {
  switch (value) {
    case 'enabled':
      return;
    case 'disabled':
      options.BindOptions.NonRecursive = true;
      return;
    case 'writable':
      options.BindOptions.ReadOnlyNonRecursive = true;
      return;
    case 'readonly':
      options.BindOptions.ReadOnlyForceRecursive = true;
      return;
    default:
      throw new Error(
        `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
      );
  }
}

function tmpfsMode(value: string): number {
  if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for tmpfs-mode: ${value}`);
  return Number.parseInt(value, 8);
}

function tmpfsSize(value: string): number {
  try {
    return parseBytes(value);
  } catch {
    throw new Error(`invalid value for tmpfs-size: ${value}`);
  }
}

type Setter = (mount: Mount, options: Options, value: string) => void;

function volumeDriver(options: Options): { Name?: string; Options?: Record<string, string> } {
  options.VolumeOptions.DriverConfig ??= {};
  return options.VolumeOptions.DriverConfig;
}

/** Keys that need a value. */
const SETTERS: Readonly<Record<string, Setter>> = {
  type(mount, _, value) {
    mount.Type = value.toLowerCase() as MountType;
  },
  source(mount, _, value) {
    // A relative path is one of the client's folder.
    mount.Source =
      value === '.' || value.startsWith('./') || value.startsWith('../') ? resolve(value) : value;
  },
  target(mount, _, value) {
    mount.Target = value;
  },
  consistency(mount, _, value) {
    mount.Consistency = value.toLowerCase();
  },
  'bind-propagation'(_, options, value) {
    options.BindOptions.Propagation = value.toLowerCase();
  },
  'bind-recursive': readonlyMode,
  'volume-subpath'(_, options, value) {
    options.VolumeOptions.Subpath = value;
  },
  'volume-driver'(_, options, value) {
    volumeDriver(options).Name = value;
  },
  'volume-label'(_, options, value) {
    const [key, text = ''] = keyValue(value);
    options.VolumeOptions.Labels = { ...options.VolumeOptions.Labels, [key]: text };
  },
  'volume-opt'(_, options, value) {
    const [key, text = ''] = keyValue(value);
    const driver = volumeDriver(options);
    driver.Options = { ...driver.Options, [key]: text };
  },
  'image-subpath'(_, options, value) {
    options.ImageOptions.Subpath = value;
  },
  'tmpfs-size'(_, options, value) {
    options.TmpfsOptions.SizeBytes = tmpfsSize(value);
  },
  'tmpfs-mode'(_, options, value) {
    options.TmpfsOptions.Mode = tmpfsMode(value);
  },
};

const SYNONYMS: Readonly<Record<string, string>> = {
  src: 'source',
  destination: 'target',
  dst: 'target',
  ro: 'readonly',
};

/** Which type an option group is for, for the message about a mix-up. */
const GROUPS: ReadonlyArray<readonly [keyof Options, MountType, string]> = [
  ['VolumeOptions', 'volume', 'volume'],
  ['BindOptions', 'bind', 'bind'],
  ['TmpfsOptions', 'tmpfs', 'tmpfs'],
  ['ImageOptions', 'image', 'image'],
];

/** What a mount below the source is to be needs the source itself to be read-only, and nothing to leak back. */
function checkRecursion({ ReadOnly }: Mount, { BindOptions }: Options): void {
  const mode = BindOptions.ReadOnlyNonRecursive
    ? 'writable'
    : BindOptions.ReadOnlyForceRecursive
      ? 'readonly'
      : '';
  if (mode === '') return;
  const problem = (what: string) =>
    new Error(`option 'bind-recursive=${mode}' requires '${what}' to be specified in conjunction`);
  if (!ReadOnly) throw problem('readonly');
  if (mode === 'readonly' && BindOptions.Propagation !== 'rprivate')
    throw problem('bind-propagation=rprivate');
}

/**
 * Reads the value of `--mount`.
 * @throws Error in docker's words.
 */
export function parseMount(value: string): Mount {
  const mount: Mount = { Type: 'volume', Target: '' };
  const options: Options = { BindOptions: {}, VolumeOptions: {}, TmpfsOptions: {}, ImageOptions: {} };
  const fields = csvFields(value.trim());
  if (value.trim() === '') throw new Error('EOF');
  for (const field of fields) {
    const [rawKey, text] = keyValue(field);
    const lower = rawKey.toLowerCase();
    const key = Object.hasOwn(SYNONYMS, lower) ? SYNONYMS[lower]! : lower;
    if (key === 'readonly') mount.ReadOnly = flagValue(rawKey, text);
    else if (key === 'volume-nocopy') options.VolumeOptions.NoCopy = flagValue(rawKey, text);
    else if (key === 'bind-nonrecursive') options.BindOptions.NonRecursive = flagValue(rawKey, text);
    else if (key === 'bind-create-src') options.BindOptions.CreateMountpoint = flagValue(rawKey, text);
    else if (key === 'bind-idmap') options.BindOptions.TareIDMap = text ?? 'owner';
    else {
      if (text === undefined) throw new Error(`invalid field '${field}' must be a key=value pair`);
      if (!Object.hasOwn(SETTERS, key)) throw new Error(`unexpected key '${rawKey}' in '${field}'`);
      SETTERS[key]!(mount, options, text);
    }
  }
  if (mount.Type === ('' as MountType)) throw new Error('type is required');
  if (mount.Target === '') throw new Error('target is required');
  checkRecursion(mount, options);
  for (const [group, type, name] of GROUPS) {
    if (Object.keys(options[group]).length === 0) continue;
    if (mount.Type !== type)
      throw new Error(`cannot mix '${name}-*' options with mount type '${mount.Type}'`);
    Object.assign(mount, { [group]: options[group] });
  }
  return mount;
}

/** `--mount`, repeated. */
export const mounts: FlagKind<readonly Mount[]> = {
  typeName: 'mount',
  initial: [],
  parse: (raw, previous) => [...previous, parseMount(raw)],
};
