import type { SparsePiece } from './tar-entry.ts';

/** Goes along the map of a sparse member while its stored bytes come, in pieces of any size. */
export class SparseCursor {
  readonly #pieces: readonly SparsePiece[];
  readonly #tooMuch: () => Error;
  #index = 0;
  /** Bytes of the piece at hand that came already. */
  #done = 0;

  /** `tooMuch` makes the error for bytes that the map has no place for. */
  constructor(pieces: readonly SparsePiece[], tooMuch: () => Error) {
    this.#pieces = pieces;
    this.#tooMuch = tooMuch;
  }

  /** Where each part of the next stored bytes belongs in the file. */
  *place(bytes: Uint8Array): Generator<{ readonly part: Uint8Array; readonly offset: number }> {
    for (let at = 0; at < bytes.byteLength; ) {
      const piece = this.#pieces[this.#index];
      if (piece === undefined) throw this.#tooMuch();
      const part = bytes.subarray(at, at + piece.length - this.#done);
      if (part.byteLength > 0) yield { part, offset: piece.offset + this.#done };
      at += part.byteLength;
      this.#done += part.byteLength;
      if (this.#done === piece.length) {
        this.#index++;
        this.#done = 0;
      }
    }
  }
}
