import { TareError } from '../../base/errors.ts';

/**
 * The Container Device Interface: files in which vendors describe what a container needs to use a device
 * (github.com/cncf-tags/container-device-interface, SPEC.md). A device is named `VENDOR/CLASS=NAME`.
 */
export interface CdiSpec {
  /** `vendor.com/class` */
  readonly kind: string;
  /** Edits that every device of the file needs. */
  readonly containerEdits?: CdiEdits;
  readonly devices: readonly CdiDevice[];
}

export interface CdiDevice {
  readonly name: string;
  readonly containerEdits: CdiEdits;
}

export interface CdiEdits {
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly CdiDeviceNode[];
  readonly mounts?: readonly CdiMount[];
  readonly hooks?: readonly CdiHook[];
  readonly additionalGids?: readonly number[];
}

export interface CdiDeviceNode {
  /** In the container. */
  readonly path: string;
  /** On the host; left out: the same. */
  readonly hostPath?: string;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly permissions?: string;
  readonly uid?: number;
  readonly gid?: number;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly type?: string;
  readonly options?: readonly string[];
}

export interface CdiHook {
  readonly hookName: string;
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

/** The phases of runtime-spec config.md in which a hook can run. */
export const HOOK_NAMES = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;

const VERSIONS = /^(?:0\.[3-8]\.\d+|1\.\d+\.\d+)$/;
const KIND = /^[a-zA-Z](?:[\w.-]*[a-zA-Z0-9])?\/[a-zA-Z](?:[\w-]*[a-zA-Z0-9])?$/;
const NAME = /^[a-zA-Z0-9](?:[\w.:-]*[a-zA-Z0-9])?$/;

/** Reads one file (`.json`, or `.yaml`). Throws `invalid` with what is wrong. */
export function parseCdiSpec(text: string, json: boolean): CdiSpec {
  const fail = (why: string): TareError => new TareError('invalid', why);
  let spec: unknown;
  try {
    spec = json ? JSON.parse(text) : Bun.YAML.parse(text);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
  if (!isObject(spec)) throw fail('it is no object');
  if (typeof spec.cdiVersion !== 'string' || !VERSIONS.test(spec.cdiVersion)) {
    throw fail(`invalid version ${JSON.stringify(spec.cdiVersion ?? '')}: use 0.3.0 to 1.x`);
  }
  if (typeof spec.kind !== 'string' || !KIND.test(spec.kind)) {
    throw fail(`invalid kind ${JSON.stringify(spec.kind ?? '')}: use VENDOR/CLASS`);
  }
  const devices = listOf(spec.devices, 'devices');
  if (devices.length === 0) throw fail('no devices');
  for (const device of devices) {
    if (typeof device.name !== 'string' || !NAME.test(device.name)) {
      throw fail(`invalid device name ${JSON.stringify(device.name ?? '')}`);
    }
    checkEdits(device.containerEdits ?? {}, `device ${device.name}`);
  }
  const names = devices.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw fail(`multiple devices named ${JSON.stringify(twice)}`);
  if (spec.containerEdits !== undefined) checkEdits(spec.containerEdits, 'containerEdits');
  return spec as unknown as CdiSpec;
}

type Members = Record<string, unknown>;
const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function listOf(value: unknown, what: string): Members[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw new TareError('invalid', `${what} must be a list of objects`);
}

function checkEdits(edits: unknown, where: string): void {
  const fail = (why: string): TareError => new TareError('invalid', `${where}: ${why}`);
  if (!isObject(edits)) throw fail('containerEdits must be an object');
  const env = edits.env ?? [];
  if (!Array.isArray(env) || !env.every((entry) => typeof entry === 'string' && entry.indexOf('=') > 0)) {
    throw fail('invalid environment variable: use NAME=VALUE');
  }
  for (const node of listOf(edits.deviceNodes, `${where}: deviceNodes`)) {
    if (typeof node.path !== 'string' || !node.path.startsWith('/'))
      throw fail('invalid device node: no path');
    if (node.permissions !== undefined && !/^[rwm]*$/.test(String(node.permissions))) {
      throw fail(`device ${node.path}: invalid permissions ${JSON.stringify(node.permissions)}`);
    }
  }
  for (const mount of listOf(edits.mounts, `${where}: mounts`)) {
    if (!mount.hostPath || !mount.containerPath)
      throw fail('invalid mount: hostPath and containerPath are needed');
  }
  for (const hook of listOf(edits.hooks, `${where}: hooks`)) {
    if (!(HOOK_NAMES as readonly unknown[]).includes(hook.hookName)) {
      throw fail(`invalid hook name ${JSON.stringify(hook.hookName ?? '')}`);
    }
    if (typeof hook.path !== 'string' || hook.path === '') throw fail('invalid hook: no path');
  }
}
