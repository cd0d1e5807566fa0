import { expect, test } from 'bun:test';
import { boundedTest } from './bounded-test.ts';

const expression = (wildcards: number): string => `^${'[^/]*a'.repeat(wildcards)}b$`;

test('decides alike with few wildcards and with many', () => {
  for (const wildcards of [1, 2, 3, 8]) {
    const matches = boundedTest(expression(wildcards), wildcards);
    const text = 'xa'.repeat(wildcards);
    expect([matches(`${text}b`), matches(`${text}c`), matches(`x/${text}b`)]).toEqual([true, false, false]);
  }
});

test('many wildcards against a long text come to an end', () => {
  expect(boundedTest(expression(20), 20)('a'.repeat(4096))).toBe(false);
});

test('what cannot be read is refused', () => {
  expect(() => boundedTest('[z-a]', 0)).toThrow();
});
