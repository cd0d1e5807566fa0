import { describe, expect, test } from 'bun:test';
import { checkDriverOptions } from './driver-options.ts';
import { checkLogConfig, logWarnings, withLogDefaults } from './log-config.ts';
import { logSettings } from './log-settings.ts';

/** `driver: key=value key=value` and what dockerd 20.10 says of it. */
const REFUSED: ReadonlyArray<readonly [string, string]> = [
  ['json-file: x=1', "unknown log opt 'x' for json-file log driver"],
  ['json-file: max-size=abc', "invalid size: 'abc'"],
  ['json-file: max-size=-1m', "invalid size: '-1m'"],
  ['json-file: max-size=0', 'max-size must be a positive number'],
  ['json-file: max-file=0', 'max-file cannot be less than 1'],
  ['json-file: max-file=x', 'strconv.Atoi: parsing "x": invalid syntax'],
  ['json-file: compress=x', 'strconv.ParseBool: parsing "x": invalid syntax'],
  ['json-file: compress=true', 'compress cannot be true when max-file is less than 2 or max-size is not set'],
  [
    'json-file: compress=true max-size=1m',
    'compress cannot be true when max-file is less than 2 or max-size is not set',
  ],
  ['json-file: mode=x', 'logger: logging mode not supported: x'],
  [
    'json-file: max-buffer-size=1m',
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  [
    'json-file: mode=non-blocking max-buffer-size=zz',
    "error parsing option max-buffer-size: invalid size: 'zz'",
  ],
  ['nope: a=b', 'error looking up logging plugin nope: plugin "nope" not found'],
  ['json-file: cache-disabled=zz', 'invalid value for option cache-disabled: zz'],
  ['json-file: cache-foo=1', "unknown log opt 'cache-foo' for json-file log driver"],
  ['local: x=1', "unknown log opt 'x' for log driver local"],
  ['local: max-size=x', "invalid value for max-size: x: invalid size: 'x'"],
  ['local: max-file=x', 'invalid value for max-file: x: strconv.Atoi: parsing "x": invalid syntax'],
  ['local: max-file=1', 'compression cannot be enabled when max file count is 1'],
  ['local: compress=x', 'invalid boolean value for compress: strconv.ParseBool: parsing "x": invalid syntax'],
];

const SHIPPED: ReadonlyArray<readonly [string, string]> = [
  ['journald: x=1', "unknown log opt 'x' for journald log driver"],
  ['syslog: x=1', "unknown log opt 'x' for syslog log driver"],
  ['syslog: syslog-address=foo', 'syslog-address should be in form proto://address, got foo'],
  ['syslog: syslog-address=unix:///nope', 'stat /nope: no such file or directory'],
  ['syslog: syslog-address=tcp://a:b:c', 'parse "tcp://a:b:c": invalid port ":c" after host'],
  ['syslog: syslog-facility=foo', 'invalid syslog facility'],
  ['syslog: syslog-facility=24', 'invalid syslog facility'],
  ['syslog: syslog-format=foo', 'Invalid syslog format'],
  ['fluentd: x=1', "unknown log opt 'x' for fluentd log driver"],
  ['fluentd: fluentd-address=a:b', 'invalid fluentd-address a:b: strconv.Atoi: parsing "b": invalid syntax'],
  [
    'fluentd: fluentd-address=a:b:c',
    'invalid fluentd-address a:b:c: address a:b:c: too many colons in address',
  ],
  ['fluentd: fluentd-buffer-limit=q', "invalid size: 'q'"],
  ['fluentd: fluentd-retry-wait=q', 'time: invalid duration "q"'],
  ['fluentd: fluentd-max-retries=q', 'strconv.ParseUint: parsing "q": invalid syntax'],
  ['fluentd: fluentd-async=q', 'strconv.ParseBool: parsing "q": invalid syntax'],
  [
    'fluentd: fluentd-async=true fluentd-async-connect=true',
    "conflicting options: cannot specify both 'fluentd-async' and 'fluentd-async-connect",
  ],
  ['gelf:', 'gelf-address is a required parameter'],
  ['gelf: gelf-address=foo', 'gelf-address should be in form proto://address, got foo'],
  ['gelf: gelf-address=unix:///foo', 'gelf: endpoint needs to be TCP or UDP'],
  ['gelf: gelf-address=udp://foo', 'gelf: please provide gelf-address as proto://host:port'],
  ['gelf: gelf-address=udp://foo:1 x=1', 'unknown log opt "x" for gelf log driver'],
  [
    'gelf: gelf-address=udp://foo:1 gelf-compression-level=11',
    'unknown value "11" for log opt "gelf-compression-level" for gelf log driver',
  ],
  [
    'gelf: gelf-address=udp://foo:1 gelf-compression-type=zip',
    'unknown value "zip" for log opt "gelf-compression-type" for gelf log driver',
  ],
  ['gelf: gelf-address=tcp://foo:1 gelf-compression-type=none', 'compression is only supported on UDP'],
  [
    'gelf: gelf-address=tcp://foo:1 gelf-tcp-max-reconnect=-1',
    '"gelf-tcp-max-reconnect" must be a positive integer',
  ],
  [
    'gelf: gelf-address=udp://foo:1 gelf-tcp-reconnect-delay=1',
    '"gelf-tcp-reconnect-delay" is only valid for TCP',
  ],
];

function parse(text: string): { type: string; config: Record<string, string> } {
  const [type = '', rest = ''] = text.split(/:(?: |$)/, 2);
  const config = Object.fromEntries(
    rest
      .split(' ')
      .filter(Boolean)
      .map((option) => {
        const cut = option.indexOf('=');
        return [option.slice(0, cut), option.slice(cut + 1)];
      }),
  );
  return { type, config };
}

describe('log configuration', () => {
  test.each(REFUSED)('%s is refused in words of dockerd', (text, message) => {
    expect(() => checkLogConfig(parse(text))).toThrow(new Error(message));
  });

  test.each(SHIPPED)('%s is refused in words of dockerd', (text, message) => {
    const { type, config } = parse(text);
    expect(() => checkDriverOptions(type, config)).toThrow(new Error(message));
  });

  test('what dockerd takes is taken', () => {
    const taken = [
      'json-file: max-size=10m max-file=3 compress=true labels=a env-regex=^X tag={{.Name}} mode=blocking',
      'json-file: mode=non-blocking max-buffer-size=4m cache-disabled=true cache-max-size=1m',
      'local: max-size=1m max-file=1 compress=false',
      'none:',
    ];
    for (const text of taken) expect(() => checkLogConfig(parse(text))).not.toThrow();
  });

  test('what is taken and does nothing is a warning', () => {
    const text =
      'fluentd: fluentd-async=true fluentd-max-retries=3 fluentd-retry-wait=1s fluentd-write-timeout=2s';
    expect(logWarnings(parse(text))).toEqual(
      ['fluentd-max-retries', 'fluentd-write-timeout'].map(
        (name) =>
          `log-opt ${name} has no effect: lines wait in the log's files until the destination takes them`,
      ),
    );
    expect(logWarnings(parse('gelf: gelf-address=tcp://x:1 gelf-tcp-max-reconnect=3'))).toHaveLength(1);
    expect(logWarnings(parse('json-file: max-size=1m'))).toEqual([]);
  });

  test('options of the daemon hold for its own driver only; those of the cache for all', () => {
    const defaults = { type: 'json-file', config: { 'max-size': '1m', 'cache-max-file': '2' } };
    expect(withLogDefaults({ type: '', config: {} }, defaults)).toEqual(defaults);
    expect(withLogDefaults({ type: 'local', config: {} }, defaults)).toEqual({
      type: 'local',
      config: { 'cache-max-file': '2' },
    });
    expect(withLogDefaults({ type: 'json-file', config: { 'max-size': '9m' } }, defaults).config).toEqual({
      'max-size': '9m',
      'cache-max-file': '2',
    });
  });

  test('sizes are decimal, one file counts as two halves, nothing is without a limit', () => {
    expect(logSettings(parse('json-file: max-size=10m'))).toEqual({
      maxSize: 5_000_000,
      maxFiles: 2,
      compress: false,
      readable: true,
    });
    expect(logSettings(parse('json-file: max-size=10m max-file=3 compress=true'))).toMatchObject({
      maxSize: 10_000_000,
      maxFiles: 3,
      compress: true,
    });
    expect(logSettings(parse('json-file:'))).toMatchObject({
      maxSize: 20 * 1024 ** 2,
      maxFiles: 5,
      compress: false,
    });
    expect(logSettings(parse('local:'))).toMatchObject({
      maxSize: 20 * 1024 ** 2,
      maxFiles: 5,
      compress: true,
    });
    expect(logSettings(parse('syslog: cache-max-size=1m'))).toMatchObject({
      maxSize: 1_000_000,
      readable: true,
    });
    expect(logSettings(parse('syslog: cache-disabled=true')).readable).toBe(false);
    expect(
      logSettings(parse('syslog: cache-disabled=true mode=non-blocking max-buffer-size=4m')).maxSize,
    ).toBe(2 * 1024 ** 2);
    expect(logSettings(parse('none:')).readable).toBe(false);
  });
});
