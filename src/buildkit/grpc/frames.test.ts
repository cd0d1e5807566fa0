import { expect, test } from 'bun:test';
import { FrameReader, frameOf, MAX_MESSAGE } from './frames.ts';

const stream = Buffer.concat([
  frameOf(Buffer.from('one')),
  frameOf(new Uint8Array()),
  frameOf(Buffer.from('three')),
]);

test.each([1, 2, 5, 7, 100])('messages in pieces of %d bytes', (piece) => {
  const reader = new FrameReader();
  const found: string[] = [];
  for (let at = 0; at < stream.length; at += piece) {
    for (const message of reader.push(stream.subarray(at, at + piece)))
      found.push(Buffer.from(message).toString());
  }
  expect(found).toEqual(['one', '', 'three']);
  expect(reader.isPartial).toBe(false);
});

test('one that is cut off is partial', () => {
  const reader = new FrameReader();
  expect(reader.push(stream.subarray(0, -1))).toHaveLength(2);
  expect(reader.isPartial).toBe(true);
});

test('compressed and oversized ones are refused', () => {
  expect(() => new FrameReader().push(Uint8Array.of(1, 0, 0, 0, 0))).toThrow('compressed');
  const header = Buffer.alloc(5);
  header.writeUInt32BE(MAX_MESSAGE + 1, 1);
  expect(() => new FrameReader().push(header)).toThrow('larger');
});
