import { expect, test } from 'bun:test';
import { freeBuffer } from './free-buffer.ts';

test('a large buffer is gone at once; what is small, a part, or gone already is left alone', () => {
  const large = new Uint8Array(1024 * 1024);
  freeBuffer(large);
  expect(large.buffer.detached).toBe(true);
  freeBuffer(large);
  const part = new Uint8Array(1024 * 1024).subarray(1);
  freeBuffer(part);
  expect(part.byteLength).toBe(1024 * 1024 - 1);
  const small = Buffer.from('small');
  freeBuffer(small);
  expect(small.toString()).toBe('small');
});
