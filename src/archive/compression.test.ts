import { describe, expect, test } from 'bun:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { isKind } from '../base/errors.ts';
import { compressed, decompressed, detectCompression } from './compression.ts';

async function* inPieces(bytes: Uint8Array, piece: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += piece) yield bytes.subarray(at, at + piece);
}

async function read(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const failure = (source: AsyncIterable<Uint8Array>): Promise<unknown> =>
  read(source).then(
    () => undefined,
    (error: unknown) => error,
  );

const plain = Buffer.from(Array.from({ length: 200_000 }, (_, i) => ((i * 2654435761) >>> (i % 24)) & 0xff));

const packedBy = (name: string) => Bun.spawn([name, '-c'], { stdin: plain, stdout: 'pipe' });

describe('decompressed', () => {
  test.each([499, 9973, 1_000_000])('gzip, zstd and plain, in pieces of %p bytes', async (piece) => {
    for (const bytes of [plain.subarray(0, 20_000), gzipSync(plain), zstdCompressSync(plain)]) {
      const expected = bytes.byteLength === 20_000 ? plain.subarray(0, 20_000) : plain;
      expect((await read(decompressed(inPieces(bytes, piece)))).equals(expected)).toBe(true);
    }
  });

  test('several members or frames are one stream', async () => {
    for (const pack of [gzipSync, zstdCompressSync]) {
      const bytes = Buffer.concat([pack(plain), pack(Buffer.from('end'))]);
      expect(
        (await read(decompressed(inPieces(bytes, 100)))).equals(Buffer.concat([plain, Buffer.from('end')])),
      ).toBe(true);
    }
  });

  test('nothing stays nothing', async () => {
    expect((await read(decompressed(inPieces(Buffer.alloc(0), 1)))).byteLength).toBe(0);
  });

  test('damaged and truncated gzip is corrupt', async () => {
    const packed = gzipSync(plain);
    const damaged = Buffer.from(packed);
    damaged.fill(0xaa, 5000, 5100);
    const garbage = Buffer.concat([packed, Buffer.from('garbage')]);
    for (const bytes of [packed.subarray(0, 5000), packed.subarray(0, -2), damaged, garbage]) {
      expect(isKind(await failure(decompressed(inPieces(bytes, 999))), 'corrupt')).toBe(true);
    }
  });

  test.each(['bzip2', 'xz'] as const)('%s, by the program of that name', async (name) => {
    const packed = new Uint8Array(await new Response(packedBy(name).stdout).arrayBuffer());
    expect(detectCompression(packed)).toBe(name);
    expect((await read(decompressed(inPieces(packed, 9973)))).equals(plain)).toBe(true);
    for (const damaged of [
      packed.subarray(0, packed.byteLength / 2),
      Buffer.from([...packed]).fill(7, 5000, 6000),
    ]) {
      const error = await failure(decompressed(inPieces(damaged, 9973)));
      expect(isKind(error, 'corrupt')).toBe(true);
      expect(String(error)).toContain(`invalid ${name} data: ${name}`);
    }
    // Leaving early ends the program and the source.
    let sourceEnded = false;
    const source = (async function* () {
      try {
        for (;;) yield packed;
      } finally {
        sourceEnded = true;
      }
    })();
    for await (const _ of decompressed(source)) break;
    expect(sourceEnded).toBe(true);
  });

  test('a failing source fails the reader; a reader that leaves ends the source', async () => {
    const packed = gzipSync(plain);
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield packed.subarray(0, 1000);
      throw new Error('connection lost');
    }
    expect(String(await failure(decompressed(failing())))).toContain('connection lost');
    let ended = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield packed;
      } finally {
        ended = true;
      }
    }
    for await (const _ of decompressed(endless())) break;
    expect(ended).toBe(true);
  });
});

test('compressed is undone by decompressed', async () => {
  for (const kind of ['gzip', 'zstd'] as const) {
    const packed = await read(compressed(inPieces(plain, 10_000), kind));
    expect(detectCompression(packed)).toBe(kind);
    expect((await read(decompressed(inPieces(packed, 5000)))).equals(plain)).toBe(true);
  }
});
