/*
 * Compresses one block after another, away from the main thread. See block-gzip.ts.
 */

/** `piece` is transferred. */
export interface BlockRequest {
  readonly id: number;
  readonly piece: Uint8Array<ArrayBuffer>;
  readonly level: number;
}

/** `member` is transferred. */
export interface BlockReply {
  readonly id: number;
  readonly member: Uint8Array;
}

declare const self: Worker;

self.onmessage = (event: MessageEvent<BlockRequest>): void => {
  const { id, piece, level } = event.data;
  const member = Bun.gzipSync(piece, { library: 'libdeflate', level: level as 6 });
  self.postMessage({ id, member } satisfies BlockReply, [member.buffer]);
};
