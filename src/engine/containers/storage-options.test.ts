import { expect, test } from 'bun:test';
import { limitSnapshot, storageSize } from './storage-options.ts';

test('a size in Docker notation; none', () => {
  expect(storageSize({ size: '10M' })).toBe(10 << 20);
  expect(storageSize({ SIZE: '1g' })).toBe(1 << 30);
  expect(storageSize({})).toBeUndefined();
});

test('what is no size and no option is refused', () => {
  expect(() => storageSize({ bogus: '1' })).toThrow('unknown option bogus');
  expect(() => storageSize({ size: 'x' })).toThrow("invalid size: 'x'");
  expect(() => limitSnapshot({ limit: () => false }, 'id', 1)).toThrow(
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
  );
});
