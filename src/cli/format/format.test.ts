import { describe, expect, test } from 'bun:test';
import { parseDuration } from '../../base/go-duration.ts';
import { humanDuration } from './duration.ts';
import { displayPorts } from './ports.ts';
import { humanBytes, humanSize, parseBytes } from './size.ts';
import { alignTabs } from './table.ts';
import { parseTimestamp } from './time.ts';
import { ellipsis, truncateId } from './truncate.ts';

describe('sizes', () => {
  test.each([
    [0, '0B'],
    [999, '999B'],
    [1000, '1kB'],
    [1_983_512, '1.984MB'],
    [4_310_000, '4.31MB'],
    [999_999, '1000kB'],
    [1e12, '1TB'],
    [123_456_789_012, '123.5GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(humanSize(bytes)).toBe(text);
  });

  test('three digits in lists, powers of 1024 for memory', () => {
    expect(humanSize(1_983_512, 3)).toBe('1.98MB');
    expect(humanSize(999_999, 3)).toBe('1e+03kB');
    expect(humanBytes(25_276_502_016)).toBe('23.54GiB');
  });

  test.each([
    ['512', 512],
    ['32kb', 32 * 1024],
    ['1.5g', 1.5 * 2 ** 30],
    ['64MiB', 64 * 2 ** 20],
    ['1 k', 1024],
    ['10b', 10],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each([
    ['', "invalid size: ''"],
    ['x', "invalid size: 'x'"],
    ['-1', "invalid size: '-1'"],
    ['1kk', "invalid suffix: 'kk'"],
    ['1bb', "invalid suffix: 'bb'"],
    ['1.5.5', 'strconv.ParseFloat: parsing "1.5.5": invalid syntax'],
  ])('%s is refused', (text, message) => {
    expect(() => parseBytes(text)).toThrow(message);
  });
});

describe('spans of time', () => {
  test.each([
    [0.5, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [119, 'About a minute'],
    [120, '2 minutes'],
    [3599, '59 minutes'],
    [3600, 'About an hour'],
    [2 * 3600, '2 hours'],
    [47 * 3600, '47 hours'],
    [48 * 3600, '2 days'],
    [13 * 86400, '13 days'],
    [14 * 86400, '2 weeks'],
    [59 * 86400, '8 weeks'],
    [60 * 86400, '2 months'],
    [700 * 86400, '23 months'],
    [800 * 86400, '2 years'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(humanDuration(seconds)).toBe(text);
  });

  test('the notation of Go', () => {
    expect(parseDuration('1h2m3.5s')).toBe(3_723_500_000_000);
    expect(parseDuration('-1.5h')).toBe(-5400e9);
    expect(parseDuration('300ms')).toBe(300e6);
    expect(parseDuration('0')).toBe(0);
    expect(() => parseDuration('1x')).toThrow('time: unknown unit "x" in duration "1x"');
    expect(() => parseDuration('')).toThrow('time: invalid duration ""');
    expect(() => parseDuration('constructor')).toThrow('time: invalid duration');
  });

  test('moments: spans ago, dates, seconds', () => {
    const now = new Date('2026-01-01T00:00:00.250Z');
    expect(parseTimestamp('10s', now, parseDuration)).toBe('1767225590.250000000');
    expect(parseTimestamp('1767225600.5', now, parseDuration)).toBe('1767225600.5');
    expect(parseTimestamp('2026-01-01T00:00:00.123456789Z', now, parseDuration)).toBe('1767225600.123456789');
    expect(parseTimestamp('2026-01-01T01:00:00+01:00', now, parseDuration)).toBe('1767225600.000000000');
    expect(() => parseTimestamp('foo', now, parseDuration)).toThrow(
      'failed to parse value as time or duration: "foo"',
    );
  });
});

describe('tables', () => {
  test('columns are at least ten wide and three apart; the last cell is not padded', () => {
    expect(alignTabs('A\tB\tC\nlong cell here\t1\t2\n')).toBe(
      'A                B         C\nlong cell here   1         2\n',
    );
  });

  test('a line without a column ends the block of that column', () => {
    expect(alignTabs('a\tb\nplain\na very long cell\tb\n')).toBe(
      'a         b\nplain\na very long cell   b\n',
    );
  });

  test('characters count, not bytes', () => {
    expect(alignTabs('ééééééééé\tx\nb\ty\n')).toBe('ééééééééé   x\nb           y\n');
  });
});

describe('ports', () => {
  const port = (PrivatePort: number, PublicPort?: number, IP?: string, Type = 'tcp') => ({
    PrivatePort,
    Type,
    ...(PublicPort === undefined ? {} : { PublicPort }),
    ...(IP === undefined ? {} : { IP }),
  });

  test('as docker shows them', () => {
    expect(
      displayPorts([port(80, 8080, '0.0.0.0'), port(80, 8080, '::'), port(90, 90, '127.0.0.1', 'udp')]),
    ).toBe('127.0.0.1:90->90/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp');
  });

  test('runs of ports are joined when host and container have the same', () => {
    expect(displayPorts([port(9002), port(9001), port(9000), port(80)])).toBe('80/tcp, 9000-9002/tcp');
    expect(displayPorts([port(80, 80, '0.0.0.0'), port(81, 81, '0.0.0.0')])).toBe('0.0.0.0:80-81->80-81/tcp');
    expect(displayPorts([])).toBe('');
  });
});

test('shortened texts', () => {
  expect(ellipsis('hello world', 8)).toBe('hello w…');
  expect(ellipsis('short', 8)).toBe('short');
  expect(truncateId(`sha256:${'ab'.repeat(32)}`)).toBe('abababababab');
});
