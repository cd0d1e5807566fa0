import { expect, test } from 'bun:test';
import { sameBytes } from './same-bytes.ts';

async function* pieces(text: string, size: number, onEnd: () => void = () => {}): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
    yield new Uint8Array(0);
  } finally {
    onEnd();
  }
}

test('the same bytes, cut in other places', async () => {
  const text = 'abcdefghij'.repeat(10);
  expect(await sameBytes(pieces(text, 7), pieces(text, 3))).toBe(true);
  expect(await sameBytes(pieces('', 7), pieces('', 3))).toBe(true);
});

test('another byte, or more of them on either side', async () => {
  expect(await sameBytes(pieces('abcd', 2), pieces('abxd', 3))).toBe(false);
  expect(await sameBytes(pieces('abcd', 2), pieces('abc', 3))).toBe(false);
  expect(await sameBytes(pieces('', 2), pieces('a', 3))).toBe(false);
});

test('both sources end at the first difference', async () => {
  let ended = 0;
  const onEnd = (): void => {
    ended += 1;
  };
  await sameBytes(pieces('x'.repeat(1000), 10, onEnd), pieces('y'.repeat(1000), 10, onEnd));
  expect(ended).toBe(2);
});
