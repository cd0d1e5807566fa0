import { TareError } from '../base/errors.ts';
import { decompressed } from './compression.ts';

/** Up to here any ratio is taken: a small layer of zeros is no attack. Bytes. */
const FREE_OF_RATIO = 1_000_000_000;
/** Beyond that a layer may unpack to this many times its compressed size. */
const MAX_RATIO = 200;

/** What a layer may unpack to. */
export interface UnpackLimit {
  /** Bytes. */
  readonly maxBytes: number;
  /** Bytes of the compressed form, when they are known beforehand; else those that were read so far count. */
  readonly compressedSize?: number;
}

/**
 * Counts what goes into and comes out of a decompression, and ends it when too much comes out: 10 GB out of 10 MB
 * would fill the disk before any digest can tell. Whoever decompresses calls `read` and `wrote`.
 */
export class UnpackMeter {
  readonly #limit: UnpackLimit;
  #read = 0;
  #wrote = 0;

  constructor(limit: UnpackLimit) {
    this.#limit = limit;
  }

  /** Bytes of the compressed form that were handed to the decompressor. */
  read(bytes: number): void {
    this.#read += bytes;
  }

  /** Plain bytes that came out. Throws `exhausted` beyond the size, `invalid` beyond the ratio. */
  wrote(bytes: number): void {
    this.#wrote += bytes;
    const { maxBytes, compressedSize = this.#read } = this.#limit;
    if (this.#wrote > maxBytes) {
      throw new TareError(
        'exhausted',
        `the layer unpacks to more than ${maxBytes} bytes: free some space, or set max-layer-size in the daemon's configuration if it may be that large`,
      );
    }
    if (this.#wrote > FREE_OF_RATIO && this.#wrote > compressedSize * MAX_RATIO) {
      throw new TareError(
        'invalid',
        `the layer unpacks to more than ${MAX_RATIO} times its compressed size (${this.#wrote} bytes out of ${compressedSize}): that is refused beyond 1 GB; if it is genuine, save it uncompressed and load that`,
      );
    }
  }
}

/** Yields the bytes of `plain`, counted by `meter`, which throws when they are too many. */
export async function* limitedTo(
  plain: AsyncIterable<Uint8Array>,
  meter: UnpackMeter,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of plain) {
    meter.wrote(chunk.byteLength);
    yield chunk;
  }
}

/** `decompressed` within a limit. Leaving the loop early cancels the source. */
export function decompressedWithin(
  source: AsyncIterable<Uint8Array>,
  limit: UnpackLimit,
): AsyncGenerator<Uint8Array> {
  const meter = new UnpackMeter(limit);
  return limitedTo(decompressed(counted(source, meter)), meter);
}

async function* counted(source: AsyncIterable<Uint8Array>, meter: UnpackMeter): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    meter.read(chunk.byteLength);
    yield chunk;
  }
}
