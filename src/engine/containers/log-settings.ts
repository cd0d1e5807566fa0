import { TareError } from '../../base/errors.ts';
import { parseSize } from '../../base/sizes.ts';
import type { HostConfig } from './model.ts';

/** How a container's log is kept. */
export interface LogSettings {
  /** Bytes of one file before it is renamed; never unlimited. */
  readonly maxSize: number;
  /** How many files there are, the current one included. */
  readonly maxFiles: number;
}

const DEFAULT_SIZE = 20 * 1024 * 1024;
const DEFAULT_FILES = 5;
const KNOWN = [
  'max-size',
  'max-file',
  'compress',
  'labels',
  'labels-regex',
  'env',
  'env-regex',
  'tag',
  'mode',
  'max-buffer-size',
];

/** Reads `--log-opt`. Docker's names, Tare's defaults: 5 files of 20 MB. Throws `invalid` in Docker's words. */
export function logSettings(logConfig: HostConfig['logConfig']): LogSettings {
  const { type, config } = logConfig;
  for (const key of Object.keys(config)) {
    if (!KNOWN.includes(key)) {
      throw new TareError('invalid', `unknown log opt '${key}' for ${type || 'json-file'} log driver`);
    }
  }
  const size = config['max-size'];
  const files = config['max-file'];
  const maxSize = size === undefined ? DEFAULT_SIZE : parseSize(size);
  const maxFiles = files === undefined ? DEFAULT_FILES : Number(files);
  if (maxSize <= 0)
    throw new TareError('invalid', `max-size must be a positive number of bytes, not ${size}`);
  if (!Number.isInteger(maxFiles) || maxFiles < 1) {
    throw new TareError('invalid', `max-file cannot be less than 1, not ${files}`);
  }
  return { maxSize, maxFiles };
}
