import { existsSync } from 'node:fs';
import { messageOf, TareError } from '../../../base/errors.ts';
import { parseDuration } from '../../../base/go-duration.ts';
import { parseGoBool, parseGoInt, parseGoUint } from '../../../base/go-scalars.ts';
import { parseSize } from '../../../base/sizes.ts';
import { parseTransport, splitHostPort } from './transport-address.ts';

type Options = Readonly<Record<string, string>>;

/** What a driver takes besides the options that every driver takes. */
interface Driver {
  /** The log leaves this machine's files. */
  readonly shipped: boolean;
  readonly options: readonly string[];
  /** Docker's words for an option it does not know. */
  readonly unknown: (option: string) => string;
  readonly check: (options: Options) => void;
}

const DETAILS = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const FILES = ['max-size', 'max-file', 'compress'];
const CACHE = ['disabled', ...FILES, ...DETAILS].map((name) => `cache-${name}`);

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

const unknownTo =
  (driver: string) =>
  (option: string): string =>
    `unknown log opt '${option}' for ${driver} log driver`;

const DRIVERS: Readonly<Record<string, Driver>> = {
  fluentd: {
    shipped: true,
    options: [
      ...DETAILS,
      ...['address', 'async', 'async-connect', 'async-reconnect-interval', 'buffer-limit', 'max-retries'].map(
        (name) => `fluentd-${name}`,
      ),
      ...['request-ack', 'retry-wait', 'sub-second-precision', 'write-timeout'].map(
        (name) => `fluentd-${name}`,
      ),
    ],
    unknown: unknownTo('fluentd'),
    check: checkFluentd,
  },
  gelf: {
    shipped: true,
    options: [
      ...DETAILS,
      ...['address', 'compression-level', 'compression-type', 'tcp-max-reconnect', 'tcp-reconnect-delay'].map(
        (name) => `gelf-${name}`,
      ),
    ],
    unknown: (option) => `unknown log opt ${JSON.stringify(option)} for gelf log driver`,
    check: checkGelf,
  },
  journald: { shipped: true, options: DETAILS, unknown: unknownTo('journald'), check: () => {} },
  'json-file': {
    shipped: false,
    options: [...DETAILS, ...FILES],
    unknown: unknownTo('json-file'),
    check: () => {},
  },
  local: {
    shipped: false,
    options: [...DETAILS, ...FILES],
    unknown: (option) => `unknown log opt '${option}' for log driver local`,
    check: () => {},
  },
  syslog: {
    shipped: true,
    options: [
      ...DETAILS,
      ...['address', 'facility', 'format', 'tls-ca-cert', 'tls-cert', 'tls-key', 'tls-skip-verify'].map(
        (name) => `syslog-${name}`,
      ),
    ],
    unknown: unknownTo('syslog'),
    check: checkSyslog,
  },
};

/** The drivers that `info` lists, in order. */
export const DRIVER_NAMES: readonly string[] = Object.keys(DRIVERS);

/** True for the drivers that send the log somewhere else; its files here are their cache and queue. */
export function isShipped(type: string): boolean {
  return DRIVERS[type]?.shipped ?? false;
}

/** True for the options that every driver takes. */
export function isCommonOption(option: string): boolean {
  return option === 'mode' || option === 'max-buffer-size' || CACHE.includes(option);
}

/** Checks a driver's own options. Throws `invalid` in Docker's words. */
export function checkDriverOptions(type: string, options: Options): void {
  const driver = DRIVERS[type];
  if (!driver) return;
  for (const option of Object.keys(options)) {
    if (!driver.options.includes(option)) throw invalid(driver.unknown(option));
  }
  driver.check(options);
}

function checkFluentd(options: Options): void {
  checkFluentdAddress(options['fluentd-address'] ?? '');
  const each = (name: string, parse: (text: string) => unknown): void => {
    const text = options[`fluentd-${name}`] ?? '';
    if (text !== '') parse(text);
  };
  each('buffer-limit', parseSize);
  each('retry-wait', duration);
  each('max-retries', parseGoUint);
  if (options['fluentd-async'] && options['fluentd-async-connect']) {
    throw invalid("conflicting options: cannot specify both 'fluentd-async' and 'fluentd-async-connect");
  }
  for (const name of ['async', 'async-connect', 'sub-second-precision', 'request-ack'])
    each(name, parseGoBool);
  for (const name of ['async-reconnect-interval', 'write-timeout']) each(name, duration);
}

/** A span in Go's notation. */
function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

function checkFluentdAddress(address: string): void {
  if (address === '') return;
  try {
    const url = parseTransport(address);
    if (url?.scheme.startsWith('unix')) return;
    const { port } = splitHostPort(url?.host ?? address);
    if (port !== undefined) parseGoInt(port);
  } catch (error) {
    throw invalid(`invalid fluentd-address ${address}: ${messageOf(error)}`);
  }
}

function checkGelf(options: Options): void {
  const address = options['gelf-address'] ?? '';
  if (address === '') throw invalid('gelf-address is a required parameter');
  const url = parseTransport(address);
  if (!url) throw invalid(`gelf-address should be in form proto://address, got ${address}`);
  if (url.scheme !== 'udp' && url.scheme !== 'tcp') throw invalid('gelf: endpoint needs to be TCP or UDP');
  if (splitHostPort(url.host).port === undefined) {
    throw invalid('gelf: please provide gelf-address as proto://host:port');
  }
  for (const [option, value] of Object.entries(options)) {
    const unknown = invalid(
      `unknown value ${JSON.stringify(value)} for log opt ${JSON.stringify(option)} for gelf log driver`,
    );
    if (option.startsWith('gelf-compression-')) {
      if (url.scheme !== 'udp') throw invalid('compression is only supported on UDP');
      const fits = option.endsWith('level')
        ? /^(-1|\+?\d)$/.test(value)
        : ['gzip', 'zlib', 'none'].includes(value);
      if (!fits) throw unknown;
    } else if (option.startsWith('gelf-tcp-')) {
      if (url.scheme !== 'tcp') throw invalid(`${JSON.stringify(option)} is only valid for TCP`);
      if (!/^\+?\d+$/.test(value)) throw invalid(`${JSON.stringify(option)} must be a positive integer`);
    }
  }
}

/** Facilities of syslog(3) by name; the number is what stands on the wire, before the level. */
export const FACILITIES: readonly string[] = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['', '', '', '', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];

/** The number of a facility by name or number; Docker's default is `daemon`. Throws `invalid`. */
export function facilityNumber(text: string): number {
  if (text === '') return FACILITIES.indexOf('daemon');
  const named = FACILITIES.indexOf(text);
  if (named >= 0) return named;
  if (/^\+?\d+$/.test(text) && Number(text) <= 23) return Number(text);
  throw invalid('invalid syslog facility');
}

function checkSyslog(options: Options): void {
  const address = options['syslog-address'] ?? '';
  if (address !== '') {
    const url = parseTransport(address);
    if (!url) throw invalid(`syslog-address should be in form proto://address, got ${address}`);
    if (url.scheme.startsWith('unix')) {
      if (!existsSync(url.path)) throw invalid(`stat ${url.path}: no such file or directory`);
    } else {
      splitHostPort(url.host);
    }
  }
  facilityNumber(options['syslog-facility'] ?? '');
  if (!['', 'rfc3164', 'rfc5424', 'rfc5424micro'].includes(options['syslog-format'] ?? '')) {
    throw invalid('Invalid syslog format');
  }
}
