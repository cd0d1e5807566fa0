import { messageOf, TareError } from '../base/errors.ts';
import { isDigest } from './digest.ts';
import type { ImageConfigFile } from './image-config.ts';

/** Largest image configuration in bytes. */
export const IMAGE_CONFIG_LIMIT = 4 * 1024 * 1024;

/**
 * Parses an image's configuration file (OCI image-spec config.md). What the engine relies on is checked: the
 * platform is text, `rootfs.diff_ids` are digests, `config` and `history` have the right shape. Old tools leave
 * `os` out: that means linux. Throws `corrupt`.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfigFile {
  if (bytes.byteLength > IMAGE_CONFIG_LIMIT) {
    throw corrupt(`it has ${bytes.byteLength} bytes, more than ${IMAGE_CONFIG_LIMIT}`);
  }
  const document = parseObject(bytes);
  const os = document.os ?? '';
  const architecture = document.architecture ?? '';
  if (typeof os !== 'string' || typeof architecture !== 'string') throw corrupt('its platform is not text');
  checkRootfs(document.rootfs);
  checkRunConfig(document.config);
  if ((document.history ?? undefined) !== undefined && !isListOf(document.history, isObject)) {
    throw corrupt('history is not a list of objects');
  }
  // The casts are what the checks above established; fields the engine only shows are kept as they are.
  const { history, config, rootfs, ...rest } = document;
  return {
    ...rest,
    os: os === '' ? 'linux' : os,
    architecture,
    rootfs: { type: 'layers', diff_ids: diffIds(rootfs) },
    ...(config === undefined || config === null ? {} : { config }),
    ...(history === undefined || history === null ? {} : { history }),
  } as ImageConfigFile;
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new TareError('corrupt', `invalid image config: it is not JSON (${messageOf(error)})`, error);
  }
  if (!isObject(value)) throw corrupt('it is not an object');
  return value;
}

function checkRootfs(value: unknown): void {
  if (!isObject(value)) throw corrupt('rootfs is missing');
  if (value.type !== 'layers') throw corrupt('rootfs.type is not "layers"');
  const ids = value.diff_ids ?? [];
  if (!isListOf(ids, (id) => typeof id === 'string' && isDigest(id))) {
    throw corrupt('rootfs.diff_ids is not a list of digests');
  }
}

function diffIds(rootfs: unknown): readonly string[] {
  const ids = isObject(rootfs) ? rootfs.diff_ids : undefined;
  return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === 'string') : [];
}

const TEXTS = ['User', 'WorkingDir', 'StopSignal'] as const;
const LISTS = ['Env', 'Entrypoint', 'Cmd', 'Shell', 'OnBuild'] as const;
const MAPS = ['ExposedPorts', 'Volumes', 'Labels', 'Healthcheck'] as const;

function checkRunConfig(value: unknown): void {
  if (value === undefined || value === null) return;
  if (!isObject(value)) throw corrupt('config is not an object');
  const isText = (item: unknown) => typeof item === 'string';
  for (const [names, fits, kind] of [
    [TEXTS, isText, 'a text'],
    [LISTS, (item: unknown) => isListOf(item, isText), 'a list of texts'],
    [MAPS, isObject, 'an object'],
  ] as const) {
    const bad = names.find((name) => (value[name] ?? undefined) !== undefined && !fits(value[name]));
    if (bad !== undefined) throw corrupt(`config.${bad} is not ${kind}`);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOf(value: unknown, fits: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

function corrupt(reason: string): TareError {
  return new TareError('corrupt', `invalid image config: ${reason}`);
}
