/*
 * Compresses one block after another, away from the main thread. See block-gzip.ts.
 */

/** `piece` is transferred. */
export interface BlockRequest {
  readonly id: number;
  readonly piece: Uint8Array<ArrayBuffer>;
  readonly level: number;
}

/** `member` is transferred, and `piece` back. */
export interface BlockReply {
  readonly id: number;
  readonly member: Uint8Array;
  readonly piece: Uint8Array<ArrayBuffer>;
}

declare const self: Worker;

/** A block is looked at in so many places, in slices of so many bytes. */
const SLICES = 16;
const SLICE = 4096;
/** A slice that the fastest level leaves at more than this share of its size does not compress. */
const INCOMPRESSIBLE = 0.99;

/**
 * Pictures and archives do not compress, and searching them in vain takes as long as the search in other bytes.
 * True when no slice gives anything; most blocks are known by their first.
 */
function isIncompressible(piece: Uint8Array<ArrayBuffer>): boolean {
  const step = Math.floor(piece.byteLength / SLICES);
  if (step < SLICE) return false;
  for (let at = 0; at + SLICE <= piece.byteLength; at += step) {
    const slice = piece.subarray(at, at + SLICE);
    if (gzip(slice, 1).byteLength < SLICE * INCOMPRESSIBLE) return false;
  }
  return true;
}

function gzip(bytes: Uint8Array<ArrayBuffer>, level: number): Uint8Array<ArrayBuffer> {
  return Bun.gzipSync(bytes, { library: 'libdeflate', level: level as 6 });
}

self.onmessage = (event: MessageEvent<BlockRequest>): void => {
  const { id, piece, level } = event.data;
  const member = gzip(piece, isIncompressible(piece) ? 0 : level);
  self.postMessage({ id, member, piece } satisfies BlockReply, [member.buffer, piece.buffer]);
};
