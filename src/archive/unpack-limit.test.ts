import { describe, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import { isKind } from '../base/errors.ts';
import { decompressedWithin, UnpackMeter } from './unpack-limit.ts';

async function* pieces(bytes: Uint8Array, onEnd: () => void = () => {}): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < bytes.byteLength; at += 1000) yield bytes.subarray(at, at + 1000);
  } finally {
    onEnd();
  }
}

async function lengthOf(source: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of source) length += chunk.byteLength;
  return length;
}

const failure = (body: () => unknown): unknown => {
  try {
    body();
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('decompressedWithin', () => {
  test('lets a layer of exactly the limit through, and ends a larger one and its source', async () => {
    const packed = gzipSync(Buffer.alloc(3_000_000));
    expect(await lengthOf(decompressedWithin(pieces(packed), { maxBytes: 3_000_000 }))).toBe(3_000_000);
    let ended = false;
    const more = decompressedWithin(
      pieces(packed, () => {
        ended = true;
      }),
      { maxBytes: 2_999_999 },
    );
    const error = await lengthOf(more).catch((caught: unknown) => caught);
    expect(isKind(error, 'exhausted')).toBe(true);
    expect(String(error)).toContain('max-layer-size');
    expect(ended).toBe(true);
  });

  test('a bomb of 10 GB ends soon after the first', async () => {
    const mega = gzipSync(Buffer.alloc(64_000_000), { level: 9 });
    async function* bomb(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 160; i++) yield mega;
    }
    let length = 0;
    const read = async (): Promise<void> => {
      for await (const chunk of decompressedWithin(bomb(), { maxBytes: 1e12 })) length += chunk.byteLength;
    };
    expect(isKind(await read().catch((caught: unknown) => caught), 'invalid')).toBe(true);
    expect(length).toBeGreaterThan(990_000_000);
    expect(length).toBeLessThan(1_010_000_000);
  }, 60_000);
});

describe('UnpackMeter', () => {
  test('takes any ratio up to 1 GB, and 200 times what was read beyond', () => {
    const meter = new UnpackMeter({ maxBytes: 1e12 });
    meter.read(5_000_000);
    meter.wrote(1_000_000_000);
    expect(
      isKind(
        failure(() => meter.wrote(1)),
        'invalid',
      ),
    ).toBe(true);
    const honest = new UnpackMeter({ maxBytes: 1e12 });
    honest.read(10_000_000);
    honest.wrote(2_000_000_000);
    expect(
      isKind(
        failure(() => honest.wrote(1)),
        'invalid',
      ),
    ).toBe(true);
  });

  test('with a size that was promised, what was read does not count', () => {
    const meter = new UnpackMeter({ maxBytes: 1e12, compressedSize: 6_000_000 });
    meter.wrote(1_200_000_000);
    expect(
      isKind(
        failure(() => meter.wrote(1)),
        'invalid',
      ),
    ).toBe(true);
  });
});
