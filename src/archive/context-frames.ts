import { TareError } from '../base/errors.ts';
import type { FileEnd } from './context-entry.ts';

/*
 * Contents of several files as one stream of frames: a byte for the kind, the file's number and the length of what
 * follows, both as 32-bit little endian.
 */

const HEADER = 9;
const DATA = 0;
const ENDS: readonly FileEnd[] = ['complete', 'changed', 'same', 'gone'];
/** No sender makes larger frames: a header with more is not one of ours. */
const LARGEST = 16 * 1024 * 1024;

function header(kind: number, index: number, length: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(HEADER));
  bytes.setUint8(0, kind);
  bytes.setUint32(1, index, true);
  bytes.setUint32(5, length, true);
  return new Uint8Array(bytes.buffer);
}

/** What stands before `length` bytes of a file. */
export function dataHeader(index: number, length: number): Uint8Array {
  return header(DATA, index, length);
}

/** The frame that ends a file. */
export function endFrame(index: number, how: FileEnd): Uint8Array {
  return header(1 + ENDS.indexOf(how), index, 0);
}

export interface FrameSink {
  data(index: number, bytes: Uint8Array): void;
  end(index: number, how: FileEnd): void;
}

/** Takes frames that were cut anywhere apart. */
export class FrameParser {
  readonly #sink: FrameSink;
  readonly #header = new Uint8Array(HEADER);
  /** Bytes of the header that are here. */
  #filled = 0;
  #index = 0;
  /** Bytes of the data that are still to come. */
  #left = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Throws `corrupt`. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#left > 0) {
        const part = bytes.subarray(at, at + this.#left);
        this.#sink.data(this.#index, part);
        this.#left -= part.byteLength;
        at += part.byteLength;
        continue;
      }
      const part = bytes.subarray(at, at + HEADER - this.#filled);
      this.#header.set(part, this.#filled);
      this.#filled += part.byteLength;
      at += part.byteLength;
      if (this.#filled === HEADER) this.#takeHeader();
    }
  }

  #takeHeader(): void {
    const view = new DataView(this.#header.buffer);
    const kind = view.getUint8(0);
    const length = view.getUint32(5, true);
    this.#filled = 0;
    this.#index = view.getUint32(1, true);
    const how = ENDS[kind - 1];
    if (kind === DATA && length <= LARGEST) this.#left = length;
    else if (how !== undefined && length === 0) this.#sink.end(this.#index, how);
    else throw new TareError('corrupt', 'the files of a build context came damaged: build again');
  }

  /** Throws `corrupt` when something is cut off. */
  finish(): void {
    if (this.#left === 0 && this.#filled === 0) return;
    throw new TareError('corrupt', 'the files of a build context came incomplete: build again');
  }
}
