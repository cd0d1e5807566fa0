import { messageOf, TareError } from '../../../base/errors.ts';
import { parseGoBool, parseGoInt } from '../../../base/go-scalars.ts';
import { parseDecimalSize, parseSize } from '../../../base/sizes.ts';
import { isShipped } from './driver-options.ts';
import type { LogConfig } from './log-config.ts';

/** How a container's log is kept on this machine, whatever its driver is. */
export interface LogSettings {
  /** Bytes of one file before it is renamed; never unlimited. */
  readonly maxSize: number;
  /** How many files there are, the current one included; at least 2. */
  readonly maxFiles: number;
  /** Files that are no longer written to are kept as gzip. */
  readonly compress: boolean;
  /** `logs` may read it: false for `none` and with `cache-disabled`. */
  readonly readable: boolean;
}

type Sizes = Pick<LogSettings, 'maxSize' | 'maxFiles' | 'compress'>;

/** What Docker's driver `local` keeps, and its cache for the drivers that send the log away. */
const LOCAL: Sizes = { maxSize: 20 * 1024 * 1024, maxFiles: 5, compress: true };
/** What a log takes that nothing can read: it only waits here to be sent. */
const QUEUE: Sizes = { maxSize: 10 * 1024 * 1024, maxFiles: 2, compress: false };

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

/** Reads the options about files, `mode` and the cache. Throws `invalid` in Docker's words. */
export function logSettings({ type, config }: LogConfig): LogSettings {
  checkMode(config);
  const disabled = cacheDisabled(config);
  if (type === 'none') return { ...LOCAL, readable: false };
  const own = (name: string): string | undefined => config[isShipped(type) ? `cache-${name}` : name];
  const sizes = type === 'json-file' ? jsonFileSizes(own) : localSizes(own);
  if (disabled && isShipped(type)) return { ...QUEUE, maxSize: queueSize(config), readable: false };
  // A log of one file would be empty after each rotation; two of half the size keep to the same bound.
  const whole =
    sizes.maxFiles === 1 ? { ...sizes, maxSize: Math.ceil(sizes.maxSize / 2), maxFiles: 2 } : sizes;
  return { ...whole, readable: true };
}

function checkMode(config: LogConfig['config']): void {
  const size = config['max-buffer-size'];
  if (size === undefined) return;
  if (config.mode !== 'non-blocking') {
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  wrapped('error parsing option max-buffer-size', () => parseSize(size));
}

/** Half of what may wait here: `max-buffer-size`, where it is given. */
function queueSize(config: LogConfig['config']): number {
  const size = config['max-buffer-size'];
  return size === undefined ? QUEUE.maxSize : Math.max(Math.ceil(parseSize(size) / 2), 64 * 1024);
}

function cacheDisabled(config: LogConfig['config']): boolean {
  const text = config['cache-disabled'] ?? '';
  if (text === '') return false;
  try {
    return parseGoBool(text);
  } catch {
    throw invalid(`invalid value for option cache-disabled: ${text}`);
  }
}

/** Docker's json-file has no limit when none is given; here it then has that of `local` (docs/adr/0001). */
function jsonFileSizes(option: (name: string) => string | undefined): Sizes {
  const size = option('max-size');
  const maxSize = size === undefined ? LOCAL.maxSize : parseDecimalSize(size);
  if (maxSize <= 0) throw invalid('max-size must be a positive number');
  const files = option('max-file');
  const asked = files === undefined ? 1 : parseGoInt(files);
  if (asked < 1) throw invalid('max-file cannot be less than 1');
  const text = option('compress');
  const compress = text !== undefined && parseGoBool(text);
  if (compress && (asked === 1 || size === undefined)) {
    throw invalid('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { maxSize, maxFiles: size === undefined && files === undefined ? LOCAL.maxFiles : asked, compress };
}

function localSizes(option: (name: string) => string | undefined): Sizes {
  const size = option('max-size');
  const files = option('max-file');
  const text = option('compress');
  const maxSize =
    size === undefined
      ? LOCAL.maxSize
      : wrapped(`invalid value for max-size: ${size}`, () => parseDecimalSize(size));
  const maxFiles =
    files === undefined
      ? LOCAL.maxFiles
      : wrapped(`invalid value for max-file: ${files}`, () => parseGoInt(files));
  const compress =
    text === undefined
      ? LOCAL.compress
      : wrapped('invalid boolean value for compress', () => parseGoBool(text));
  if (maxFiles < 0) throw invalid('max-file must not be negative');
  if (compress && maxFiles <= 1) throw invalid('compression cannot be enabled when max file count is 1');
  // 0 stands for the driver's own.
  return { maxSize: maxSize || LOCAL.maxSize, maxFiles: maxFiles || LOCAL.maxFiles, compress };
}

function wrapped<T>(prefix: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalid(`${prefix}: ${messageOf(error)}`);
  }
}
