import { describe, expect, test } from 'bun:test';
import { createDigester, digestOf, isDigest, parseDigest, shortDigest } from './digest.ts';

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('parseDigest', () => {
  test('takes sha256 and sha512', () => {
    expect(parseDigest(`sha256:${EMPTY}`)).toEqual({ algorithm: 'sha256', hex: EMPTY });
    expect(parseDigest(`sha512:${'ab'.repeat(64)}`).algorithm).toBe('sha512');
  });

  test.each([
    ['', 'invalid checksum digest format'],
    ['sha256', 'invalid checksum digest format'],
    ['sha256:', 'invalid checksum digest format'],
    [`:${EMPTY}`, 'invalid checksum digest format'],
    [`SHA256:${EMPTY}`, 'invalid checksum digest format'],
    [`sha256:${EMPTY.toUpperCase()}`, 'invalid checksum digest format'],
    [`sha256:${EMPTY}\n`, 'invalid checksum digest format'],
    [`sha256:../../${EMPTY.slice(6)}`, 'invalid checksum digest format'],
    [`sha256:${EMPTY.slice(1)}`, 'invalid checksum digest length'],
    [`sha256:${EMPTY}0`, 'invalid checksum digest length'],
    [`sha512:${EMPTY}`, 'invalid checksum digest length'],
    [`md5:${EMPTY}`, 'unsupported digest algorithm'],
    [`constructor:${EMPTY}`, 'unsupported digest algorithm'],
  ])('refuses %p', (text, message) => {
    expect(() => parseDigest(text)).toThrow(message);
    expect(isDigest(text)).toBe(false);
  });
});

test('digestOf and a running digest agree with known values', () => {
  expect(digestOf('')).toBe(`sha256:${EMPTY}`);
  expect(digestOf('abc', 'sha512').slice(0, 23)).toBe('sha512:ddaf35a193617aba');
  const digester = createDigester();
  for (const part of ['a', '', 'bc']) digester.update(new TextEncoder().encode(part));
  expect(digester.digest()).toBe(digestOf('abc'));
});

test('every computed digest is valid', () => {
  for (let i = 0; i < 50; i++) {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const digest = digestOf(`value ${i}`, algorithm);
      expect(isDigest(digest)).toBe(true);
      const { hex } = parseDigest(digest);
      expect(`${algorithm}:${hex}`).toBe(digest);
    }
  }
});

test('shortDigest takes twelve digits with or without an algorithm', () => {
  expect(shortDigest(`sha256:${EMPTY}`)).toBe('e3b0c44298fc');
  expect(shortDigest(EMPTY)).toBe('e3b0c44298fc');
  expect(shortDigest('abc')).toBe('abc');
});
