import { expect, test } from 'bun:test';
import { BufferRing } from './buffer-ring.ts';

test('what comes back is given again, what does not fit is not, and clearing frees', () => {
  const ring = new BufferRing(1000);
  const first = ring.take();
  expect(first.byteLength).toBe(1000);
  ring.giveBack(first);
  expect(ring.take()).toBe(first);
  ring.giveBack(new Uint8Array(999));
  ring.giveBack(new Uint8Array(2000).subarray(1000));
  expect(ring.take().buffer.byteLength).toBe(1000);
  ring.giveBack(first);
  ring.clear();
  expect(first.buffer.detached).toBe(true);
  expect(ring.take().byteLength).toBe(1000);
});

test('only a few are kept', () => {
  const ring = new BufferRing(10);
  const many = Array.from({ length: 10 }, () => ring.take());
  for (const buffer of many) ring.giveBack(buffer);
  expect(
    Array.from({ length: 10 }, () => ring.take()).filter((buffer) => many.includes(buffer)),
  ).toHaveLength(4);
});
