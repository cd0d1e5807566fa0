import { describe, expect, test } from 'bun:test';
import { fakeContainer } from '../../test/support/api/fake-containers.ts';
import { humanDuration, statusText } from './convert/status-text.ts';
import { DetachFilter, parseDetachKeys } from './detach-keys.ts';
import { progressBar } from './progress.ts';
import { referenceMatcher } from './reference-pattern.ts';
import { registryAuth } from './registry-auth.ts';
import { joinReference } from './routes/image-transfer.ts';
import { parseGoDuration, parseMoment, rfc3339 } from './time.ts';
import { encodeFrame, FrameReader } from './websocket-frames.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;

describe('detach keys', () => {
  test.each([
    ['', [16, 17]],
    ['ctrl-p,ctrl-q', [16, 17]],
    ['a,b', [97, 98]],
    ['ctrl-@,ctrl-[,ctrl-_', [0, 27, 31]],
  ])('%s', (keys, bytes) => {
    expect(parseDetachKeys(keys)).toEqual(bytes);
  });

  test.each(['ab', 'ctrl-', 'ctrl-P', 'ctrl-pq', 'a,', ',', 'é'])('%s is refused', (keys) => {
    expect(() => parseDetachKeys(keys)).toThrow(`Invalid detach keys (${keys}) provided`);
  });

  function feed(keys: string, ...chunks: string[]): [string, boolean] {
    const filter = new DetachFilter(parseDetachKeys(keys));
    const out = chunks.map((chunk) =>
      Buffer.from(filter.push(Buffer.from(chunk, 'latin1'))).toString('latin1'),
    );
    return [out.join(''), filter.detached];
  }

  test.each([
    ['', ['ls\n'], 'ls\n', false],
    ['', ['ab\x10\x11cd'], 'ab', true],
    ['', ['ab\x10', '\x11', 'more'], 'ab', true],
    ['', ['\x10x'], '\x10x', false],
    ['', ['\x10\x10\x11'], '\x10', true],
    ['a,a,b', ['aaab'], 'a', true],
    ['a,b,a,c', ['abababac'], 'abab', true],
    ['a,b', ['a', 'a', 'c'], 'aac', false],
  ])('%j with %j gives %j, %p', (keys, chunks, output, detached) => {
    expect(feed(keys, ...chunks)).toEqual([output, detached]);
  });
});

describe('words for people', () => {
  test.each([
    [500, 'Less than a second'],
    [1 * SECOND, '1 second'],
    [59 * SECOND, '59 seconds'],
    [60 * SECOND, 'About a minute'],
    [119 * SECOND, 'About a minute'],
    [120 * SECOND, '2 minutes'],
    [59 * 60 * SECOND, '59 minutes'],
    [HOUR, 'About an hour'],
    [2 * HOUR, '2 hours'],
    [47 * HOUR, '47 hours'],
    [48 * HOUR, '2 days'],
    [14 * 24 * HOUR, '2 weeks'],
    [60 * 24 * HOUR, '2 months'],
    [730 * 24 * HOUR, '2 years'],
  ])('%d ms are %s', (millis, words) => {
    expect(humanDuration(millis)).toBe(words);
  });

  test('status', () => {
    const { state } = fakeContainer();
    const now = state.startedAt + 5 * SECOND;
    const ended = { ...state, exitCode: 137, finishedAt: now - 2 * SECOND };
    expect(statusText(state, now)).toBe('Up 5 seconds');
    expect(statusText({ ...state, status: 'paused' }, now)).toBe('Up 5 seconds (Paused)');
    expect(statusText({ ...state, status: 'created' }, now)).toBe('Created');
    expect(statusText({ ...ended, status: 'exited' }, now)).toBe('Exited (137) 2 seconds ago');
    expect(statusText({ ...ended, status: 'restarting' }, now)).toBe('Restarting (137) 2 seconds ago');
    expect(statusText({ ...ended, status: 'removing' }, now)).toBe('Removal In Progress');
    expect(statusText({ ...ended, status: 'dead' }, now)).toBe('Dead');
  });

  test('progress', () => {
    expect(progressBar(0, 1000)).toBe(`[>${' '.repeat(50)}]       0B/1kB`);
    expect(progressBar(1000, 1000)).toBe(`[${'='.repeat(50)}]      1kB/1kB`);
    expect(progressBar(1234567, 0)).toBe(' 1.235MB');
  });
});

describe('times', () => {
  const now = Date.UTC(2026, 0, 1);

  test.each([
    ['1.5', 1_500_000_000n],
    ['1700000000.123456789', 1_700_000_000_123_456_789n],
    ['0', 0n],
    ['1h30m', BigInt(now - 90 * 60_000) * 1_000_000n],
    ['2026-01-01T00:00:00.123456789Z', BigInt(now) * 1_000_000n + 123_456_789n],
    ['2026-01-01T01:00:00+01:00', BigInt(now) * 1_000_000n],
  ])('%s', (text, nanos) => {
    expect(parseMoment(text, now)).toBe(nanos);
  });

  test.each(['soon', '2026-13-01T00:00:00Z', '1h!', '--1'])('%s is refused', (text) => {
    expect(() => parseMoment(text, now)).toThrow('invalid timestamp');
  });

  test('durations', () => {
    expect(parseGoDuration('1.5s')).toBe(1500);
    expect(parseGoDuration('-2ms')).toBe(-2);
    expect(parseGoDuration('5')).toBeUndefined();
  });

  test('RFC 3339 as Go writes it', () => {
    expect(rfc3339(0)).toBe('0001-01-01T00:00:00Z');
    expect(rfc3339(now)).toBe('2026-01-01T00:00:00Z');
    expect(rfc3339(now + 120)).toBe('2026-01-01T00:00:00.12Z');
  });
});

describe('names', () => {
  test('a tag may be a digest', () => {
    expect(joinReference('a', '1')).toBe('a:1');
    expect(joinReference('a', '')).toBe('a');
    expect(joinReference('a', `sha256:${'0'.repeat(64)}`)).toBe(`a@sha256:${'0'.repeat(64)}`);
  });

  test.each([
    ['busy*', 'busybox:latest', true],
    ['busybox:1', 'busybox:latest', false],
    ['*', 'a/b:1', false],
    ['*/*', 'a/b:1', true],
    ['host:5000/a', 'host:5000/a:1', true],
    ['a.b', 'axb:1', false],
    ['[ab]x', 'bx:1', true],
  ])('%s and %s: %p', (pattern, reference, matches) => {
    expect(referenceMatcher(pattern)(reference)).toBe(matches);
  });

  test('registry credentials', () => {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    expect(registryAuth(encode({ auth: Buffer.from('u:p:q').toString('base64') }))).toEqual({
      username: 'u',
      password: 'p:q',
    });
    expect(registryAuth(encode({ identitytoken: 't', serveraddress: 's' }))).toEqual({
      identityToken: 't',
      serverAddress: 's',
    });
    for (const none of [undefined, '', 'not base64 !', encode({}), encode(null)]) {
      expect(registryAuth(none)).toBeUndefined();
    }
  });
});

describe('websocket frames', () => {
  function masked(payload: Buffer, opcode = 2): Buffer {
    const frame = Buffer.from(encodeFrame(opcode, payload));
    const headerLength = frame.length - payload.length;
    const mask = Buffer.from([1, 2, 3, 4]);
    const body = Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
    frame[1] = (frame[1] ?? 0) | 0x80;
    return Buffer.concat([frame.subarray(0, headerLength), mask, body]);
  }

  test.each([0, 1, 125, 126, 65_535, 65_536])('%d bytes, cut anywhere', (length) => {
    const payload = Buffer.alloc(length, 'ab');
    const bytes = Buffer.concat([masked(payload), masked(Buffer.from('z'))]);
    for (const size of [1, 7, bytes.length]) {
      if (size === 1 && length > 1000) continue;
      const reader = new FrameReader();
      const frames = [];
      for (let at = 0; at < bytes.length; at += size)
        frames.push(...reader.push(bytes.subarray(at, at + size)));
      expect(frames.map((frame) => frame.payload.length)).toEqual([length, 1]);
      expect(Buffer.from(frames[0]?.payload ?? []).equals(payload)).toBe(true);
    }
  });

  test('a frame that is too long is refused before its bytes are there', () => {
    const header = Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]);
    expect(() => new FrameReader().push(Buffer.concat([header, Buffer.alloc(4)]))).toThrow('too long');
  });
});
