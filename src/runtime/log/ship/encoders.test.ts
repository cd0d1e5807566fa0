import { describe, expect, test } from 'bun:test';
import type { LogLine } from '../line-joiner.ts';
import { fluentdAnswers } from './fluentd-answers.ts';
import { FluentdEncoder } from './fluentd-encoder.ts';
import { GelfEncoder } from './gelf-encoder.ts';
import { JournaldEncoder } from './journald-encoder.ts';
import { packArrayHead, packEventTime, packMapHead, packString, packUnsigned } from './msgpack.ts';
import { SyslogEncoder, type SyslogOptions } from './syslog-encoder.ts';

const TIME = '2026-01-02T03:04:05.006007008Z';
const line = (text: string, change: Partial<LogLine> = {}): LogLine => ({
  stream: 'stdout',
  time: TIME,
  data: Buffer.from(text),
  ...change,
});

describe('syslog', () => {
  const encode = (options: Partial<SyslogOptions>, one = line('hi\n')): string => {
    const all = { facility: 3, format: '', tag: 't', counted: false, pid: 7, host: 'h', ...options } as const;
    return new SyslogEncoder(all).encode(one).map(String).join('|');
  };
  // RFC 3164 has the machine's own zone.
  const local = new Date(TIME);
  const clock = `Jan  ${local.getDate()} ${String(local.getHours()).padStart(2, '0')}:04:05`;

  test.each([
    ['', `<30>${clock} t[7]: hi\n`],
    ['rfc3164', `<30>${clock} h t[7]: hi\n`],
    ['rfc5424', '<30>1 2026-01-02T03:04:05Z h t 7 t - hi\n'],
    ['rfc5424micro', '<30>1 2026-01-02T03:04:05.006007Z h t 7 t - hi\n'],
  ] as const)('format %p', (format, text) => expect(encode({ format })).toBe(text));

  test('stderr is an error; facility; length; a line without its newline', () => {
    expect(encode({ facility: 23 }, line('no end', { stream: 'stderr' }))).toBe(
      `<187>${clock} t[7]: no end\n`,
    );
    expect(encode({ format: 'rfc5424', counted: true }, line('ü\n'))).toBe(
      '40 <30>1 2026-01-02T03:04:05Z h t 7 t - ü\n',
    );
  });
});

describe('MessagePack', () => {
  test('each form, by the bytes of the specification', () => {
    expect(packString('a')).toEqual(Buffer.from([0xa1, 0x61]));
    expect(packString('a'.repeat(32)).subarray(0, 2)).toEqual(Buffer.from([0xd9, 32]));
    expect(packString('a'.repeat(256)).subarray(0, 3)).toEqual(Buffer.from([0xda, 1, 0]));
    expect(packString('a'.repeat(65_536)).subarray(0, 5)).toEqual(Buffer.from([0xdb, 0, 1, 0, 0]));
    expect(packUnsigned(127)).toEqual(Buffer.from([0x7f]));
    expect(packUnsigned(128)).toEqual(Buffer.from([0xce, 0, 0, 0, 128]));
    expect(packUnsigned(2 ** 32)).toEqual(Buffer.from([0xcf, 0, 0, 0, 1, 0, 0, 0, 0]));
    expect([packArrayHead(3), packMapHead(15)]).toEqual([Buffer.from([0x93]), Buffer.from([0x8f])]);
    expect([packArrayHead(16), packMapHead(300)]).toEqual([
      Buffer.from([0xdc, 0, 16]),
      Buffer.from([0xde, 1, 44]),
    ]);
    expect(packEventTime(1, 2)).toEqual(Buffer.from([0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2]));
  });
});

describe('fluentd', () => {
  test('an answer cut at any byte counts once', () => {
    const answer = Buffer.concat([Buffer.from([0x81, 0xa3]), Buffer.from('ack'), packString('c'.repeat(24))]);
    const long = Buffer.concat([Buffer.from([0x81, 0xa3]), Buffer.from('ack'), packString('c'.repeat(40))]);
    const both = Buffer.concat([answer, long]);
    for (let cut = 0; cut <= both.length; cut++) {
      const read = fluentdAnswers();
      expect(read(both.subarray(0, cut)) + read(both.subarray(cut))).toBe(2);
    }
  });

  test('bytes that are no text stay as they are', () => {
    const encoder = new FluentdEncoder({
      tag: 't',
      containerId: 'c',
      containerName: '/n',
      extra: {},
      subSecond: false,
      acknowledged: false,
    });
    const [message] = encoder.encode(line('', { data: Buffer.from([0xff, 0xfe, 10]) }));
    expect(Buffer.from(message ?? []).subarray(-3)).toEqual(Buffer.from([0xa2, 0xff, 0xfe]));
  });
});

test('gelf: an empty line is no message', () => {
  const encoder = new GelfEncoder({ fields: {}, transport: 'tcp', compression: 'none', level: 1 });
  expect(encoder.encode(line('\n'))).toEqual([]);
  expect(encoder.encode(line(' \n'))).toHaveLength(1);
});

test('journald: names of fields are cleaned', () => {
  const encoder = new JournaldEncoder({
    tag: 't',
    containerId: 'c'.repeat(64),
    containerName: 'n',
    imageName: 'i',
    extra: { '_com.example-x': 'y', __: 'z' },
  });
  const [entry] = encoder.encode(line('hi\n')).map(String);
  expect(entry).toContain('\nCOM_EXAMPLE_X=y\n');
  expect(entry).not.toContain('=z');
  expect(entry).toEndWith('\nMESSAGE=hi\n');
});
