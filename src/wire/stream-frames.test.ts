import { describe, expect, test } from 'bun:test';
import { encodeFrame, FrameDecoder, frameHeader } from './stream-frames.ts';

const text = new TextEncoder();

function decode(chunks: Uint8Array[]): { events: string; decoder: FrameDecoder } {
  let events = '';
  let last = '';
  const decoder = new FrameDecoder((stream, payload) => {
    if (stream !== last) events += `[${stream}]`;
    last = stream;
    events += new TextDecoder().decode(payload);
  });
  for (const chunk of chunks) decoder.push(chunk);
  return { events, decoder };
}

describe('stream frames', () => {
  test('a header names the stream and the length in big endian', () => {
    expect([...frameHeader('stderr', 0x01020304)]).toEqual([2, 0, 0, 0, 1, 2, 3, 4]);
  });

  test('frames cut at every byte decode to the same streams', () => {
    const bytes = Buffer.concat([
      encodeFrame('stdout', text.encode('hello ')),
      encodeFrame('stderr', text.encode('oops')),
      encodeFrame('stdout', new Uint8Array(0)),
      encodeFrame('stdout', text.encode('world')),
    ]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { events, decoder } = decode([bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(events).toBe('[stdout]hello [stderr]oops[stdout]world');
      expect(decoder.atBoundary).toBe(true);
    }
    expect(decode([...bytes].map((byte) => new Uint8Array([byte]))).events).toBe(
      '[stdout]hello [stderr]oops[stdout]world',
    );
  });

  test('a stream that ends inside a frame is noticed', () => {
    const frame = encodeFrame('stdout', text.encode('abc'));
    for (let cut = 1; cut < frame.length; cut++) {
      expect(decode([frame.subarray(0, cut)]).decoder.atBoundary).toBe(false);
    }
  });

  test('bytes that are no frames are refused', () => {
    expect(() => decode([text.encode('plain text')])).toThrow('unrecognized stream: 112');
  });

  test('an empty frame needs no payload', () => {
    expect(decode([encodeFrame('stdout', new Uint8Array(0))]).decoder.atBoundary).toBe(true);
  });
});
