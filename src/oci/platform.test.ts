import { describe, expect, test } from 'bun:test';
import type { Descriptor, Platform } from './descriptor.ts';
import { digestOf } from './digest.ts';
import {
  choosePlatform,
  compatiblePlatforms,
  formatPlatform,
  hostPlatform,
  matchesPlatform,
  normalizePlatform,
  parsePlatform,
} from './platform.ts';

const HOST: Platform = { os: 'linux', architecture: 'amd64' };

describe('parsePlatform', () => {
  test.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/x86-64', 'linux/amd64'],
    ['Linux/AMD64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm64/v9', 'linux/arm64/v9'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/i386', 'linux/386'],
    ['linux', 'linux/amd64'],
    ['arm64', 'linux/arm64'],
    ['arm', 'linux/arm/v7'],
    ['s390x', 'linux/s390x'],
    ['macos/arm64', 'darwin/arm64'],
    ['windows/amd64', 'windows/amd64'],
  ])('%s', (text, expected) => {
    expect(formatPlatform(parsePlatform(text, HOST))).toBe(expected);
  });

  test.each(['', '/', 'linux/', 'linux//v7', 'a/b/c/d', 'linux/am d64', 'nonsense', 'linux/*'])(
    'refuses %p',
    (text) => {
      expect(() => parsePlatform(text, HOST)).toThrow(/platform specifier|unknown operating system/);
    },
  );
});

test('hostPlatform translates the runtime names', () => {
  expect(formatPlatform(hostPlatform('x64'))).toBe('linux/amd64');
  expect(formatPlatform(hostPlatform('arm64'))).toBe('linux/arm64');
  expect(formatPlatform(hostPlatform('arm'))).toBe('linux/arm/v7');
});

test('normalising twice changes nothing', () => {
  for (const architecture of ['amd64', 'x86_64', 'arm', 'arm64', 'aarch64', 'armhf', 'i386', 'mips', '']) {
    for (const variant of ['', 'v1', 'v5', '6', 'v7', 'v8', '8', 'v9', 'V8']) {
      const once = normalizePlatform({ os: 'Linux', architecture, variant });
      expect(normalizePlatform(once)).toEqual(once);
    }
  }
});

test('compatible platforms, best first', () => {
  const list = (text: string) => compatiblePlatforms(parsePlatform(text, HOST)).map(formatPlatform);
  expect(list('linux/amd64')).toEqual(['linux/amd64', 'linux/386']);
  expect(list('linux/amd64/v3')).toEqual(['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386']);
  expect(list('linux/arm/v7')).toEqual(['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']);
  expect(list('linux/arm64')).toEqual([
    'linux/arm64',
    'linux/arm/v8',
    'linux/arm/v7',
    'linux/arm/v6',
    'linux/arm/v5',
  ]);
  expect(list('linux/arm64/v9').slice(0, 3)).toEqual(['linux/arm64/v9', 'linux/arm64', 'linux/arm/v8']);
  expect(list('linux/s390x')).toEqual(['linux/s390x']);
  expect(list('linux/amd64/v999999999').length).toBeLessThan(50);
});

describe('choosePlatform', () => {
  const entry = (platform: string | undefined): Descriptor => ({
    mediaType: 'm',
    digest: digestOf(platform ?? 'none'),
    size: 1,
    ...(platform === undefined ? {} : { platform: raw(platform) }),
  });
  const raw = (text: string): Platform => {
    const [os = '', architecture = '', variant] = text.split('/');
    return { os, architecture, ...(variant === undefined ? {} : { variant }) };
  };
  const choose = (offers: (string | undefined)[], wanted: string) => {
    const chosen = choosePlatform(offers.map(entry), parsePlatform(wanted, HOST));
    return chosen === undefined
      ? 'nothing'
      : chosen.platform === undefined
        ? 'bare'
        : formatPlatform(chosen.platform);
  };

  test.each([
    [['linux/arm64/v8', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    [['linux/arm64/v8', 'linux/amd64'], 'linux/arm64', 'linux/arm64/v8'],
    [['linux/arm64', 'linux/amd64'], 'linux/arm64/v8', 'linux/arm64'],
    [['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7'], 'linux/arm', 'linux/arm/v7'],
    [['linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v7', 'linux/arm/v6'],
    [['linux/arm/v7'], 'linux/arm/v6', 'nothing'],
    [['linux/386', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    [['linux/386'], 'linux/amd64', 'linux/386'],
    [['linux/amd64/v3', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    [['linux/amd64', 'linux/amd64/v2'], 'linux/amd64/v3', 'linux/amd64/v2'],
    [['windows/amd64', 'unknown/unknown'], 'linux/amd64', 'nothing'],
    [['unknown/unknown', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    [[undefined, 'linux/arm64'], 'linux/amd64', 'bare'],
    [[undefined, 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    [[], 'linux/amd64', 'nothing'],
  ])('%p for %s', (offers, wanted, expected) => {
    expect(choose(offers as (string | undefined)[], wanted as string)).toBe(expected as string);
  });

  test('matchesPlatform reads unnormalised offers', () => {
    expect(matchesPlatform({ os: 'linux', architecture: 'x86_64' }, HOST)).toBe(true);
    expect(matchesPlatform({ os: 'linux', architecture: 'arm64' }, HOST)).toBe(false);
  });
});
