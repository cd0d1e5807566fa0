import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { TareError } from '../base/errors.ts';
import { type ProgramCompression, throughProgram } from './decoder-program.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | ProgramCompression;

/** Bytes that `detectCompression` wants to see. */
export const MAGIC_LENGTH = 6;
const XZ_MAGIC: readonly number[] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
/** Size in bytes of the pieces that come out: fewer, larger pieces cost less (measured, docs/adr/0003). */
const PIECE = 512 * 1024;

/**
 * Tells the compression by the first bytes (RFC 1952, RFC 8878, `BZh` and a digit, the xz format's header); skippable
 * frames of zstd count too.
 */
export function detectCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  const skippable = head[0] !== undefined && (head[0] & 0xf0) === 0x50;
  if (skippable && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd';
  if (head[0] === 0x42 && head[1] === 0x5a && head[2] === 0x68 && isBlockSize(head[3])) return 'bzip2';
  return XZ_MAGIC.every((byte, at) => head[at] === byte) ? 'xz' : 'none';
}

function isBlockSize(digit: number | undefined): boolean {
  return digit !== undefined && digit >= 0x31 && digit <= 0x39;
}

/**
 * Yields the plain bytes of a stream that may be compressed, told by its first bytes. Several gzip members or
 * zstd frames one after another are one stream. Memory is bounded. Throws `corrupt` for damaged or truncated
 * input. Leaving the loop early cancels the source.
 */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  let handedOn = false;
  try {
    while (head.byteLength < MAGIC_LENGTH) {
      const next = await iterator.next();
      if (next.done) break;
      head = head.byteLength === 0 ? next.value : Buffer.concat([head, next.value]);
    }
    const all = chain(head, iterator);
    handedOn = true;
    const kind = detectCompression(head);
    if (kind === 'none') yield* all;
    else if (kind === 'bzip2' || kind === 'xz') yield* throughProgram(all, kind);
    else yield* throughZlib(all, kind);
  } finally {
    if (!handedOn) await iterator.return?.();
  }
}

/** Compresses a stream. */
export async function* compressed(
  source: AsyncIterable<Uint8Array>,
  kind: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array> {
  const transform =
    kind === 'gzip'
      ? createGzip({ chunkSize: PIECE, level: 6 })
      : createZstdCompress({ chunkSize: PIECE, params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  yield* pumped(source, transform);
}

async function* chain(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (head.byteLength > 0) yield head;
    for (;;) {
      const next = await rest.next();
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

async function* throughZlib(
  source: AsyncIterable<Uint8Array>,
  kind: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array> {
  const options = { chunkSize: PIECE };
  try {
    yield* pumped(source, kind === 'gzip' ? createGunzip(options) : createZstdDecompress(options));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code.startsWith('Z_') || code.startsWith('ZSTD_') || /zstd/i.test(code)) {
      throw new TareError(
        'corrupt',
        `invalid ${kind} data: ${error instanceof Error ? error.message : code}`,
        error,
      );
    }
    throw error;
  }
}

type Transform = ReturnType<typeof createGunzip>;

/** Drives a zlib transform: writes with back-pressure on one side, yields on the other. */
async function* pumped(source: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const feed = (async (): Promise<void> => {
    for await (const chunk of source) {
      if (transform.destroyed) return;
      if (!transform.write(chunk)) {
        await new Promise<void>((resolve) => {
          const go = (): void => {
            transform.off('drain', go);
            transform.off('close', go);
            resolve();
          };
          transform.on('drain', go);
          transform.on('close', go);
        });
        // A source may free a chunk when the next one is asked for: not while its bytes are being read.
        if (transform.destroyed) return;
      }
    }
    transform.end();
  })().catch((error: unknown) => {
    failure = error;
    transform.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of transform) yield chunk as Uint8Array;
  } catch (error) {
    throw failure ?? error;
  } finally {
    transform.destroy();
    await feed;
  }
}
