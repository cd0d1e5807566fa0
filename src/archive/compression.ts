import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { TareError } from '../base/errors.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** Bytes that `detectCompression` wants to see. */
export const MAGIC_LENGTH = 4;
/** Size in bytes of the pieces that come out: fewer, larger pieces cost less (measured, docs/adr/0003). */
const PIECE = 512 * 1024;

/** Tells the compression by the first bytes (RFC 1952, RFC 8878); skippable frames of zstd count too. */
export function detectCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  const skippable = head[0] !== undefined && (head[0] & 0xf0) === 0x50;
  if (skippable && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd';
  return 'none';
}

/** Names compressions that are known and not supported, for a better message. */
function refuseOthers(head: Uint8Array): void {
  const hex = Buffer.from(head.subarray(0, 4)).toString('hex');
  const name = hex.startsWith('425a68') ? 'bzip2' : hex === 'fd377a58' ? 'xz' : undefined;
  if (name !== undefined) {
    throw new TareError('invalid', `${name} compression is not supported; use gzip, zstd or a plain tar`);
  }
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
    if (kind === 'none') {
      refuseOthers(head);
      yield* all;
    } else {
      yield* throughZlib(all, kind);
    }
  } finally {
    if (!handedOn) await iterator.return?.();
  }
}

/** Compresses a stream. */
export async function* compressed(
  source: AsyncIterable<Uint8Array>,
  kind: Exclude<Compression, 'none'>,
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
  kind: Exclude<Compression, 'none'>,
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
