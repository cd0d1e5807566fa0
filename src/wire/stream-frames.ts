/**
 * The framing of attach, exec and logs streams of containers without a terminal, so that one connection
 * carries stdout and stderr apart: each frame is an 8-byte header and its payload.
 *
 *     byte 0      stream: 0 stdin, 1 stdout, 2 stderr, 3 an error of the daemon
 *     bytes 1-3   zero
 *     bytes 4-7   payload length, unsigned, big endian
 *
 * Source: "Stream format" of `POST /containers/{id}/attach` in the Engine API.
 */
export type StreamName = 'stdin' | 'stdout' | 'stderr' | 'systemerr';

const STREAM_NAMES: readonly StreamName[] = ['stdin', 'stdout', 'stderr', 'systemerr'];

/** Length of a frame's header in bytes. */
export const FRAME_HEADER_BYTES = 8;

/** The header of a frame of `length` payload bytes. */
export function frameHeader(stream: StreamName, length: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  writeFrameHeader(header, 0, stream, length);
  return header;
}

/** Writes the header of a frame of `length` payload bytes into `bytes` at `at`. */
export function writeFrameHeader(bytes: Uint8Array, at: number, stream: StreamName, length: number): void {
  bytes[at] = STREAM_NAMES.indexOf(stream);
  bytes.fill(0, at + 1, at + 4);
  bytes[at + 4] = length >>> 24;
  bytes[at + 5] = length >>> 16;
  bytes[at + 6] = length >>> 8;
  bytes[at + 7] = length;
}

/** One whole frame: header and a copy of the payload. */
export function encodeFrame(stream: StreamName, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame.set(frameHeader(stream, payload.length));
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** Receives payload bytes in order; the array is only valid during the call (it is a view of the input). */
export type FrameSink = (stream: StreamName, payload: Uint8Array) => void;

/**
 * Decodes frames from chunks cut at any byte. Payload is handed on as it arrives, so a large frame is never
 * held in memory: one frame may give several calls.
 */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerFilled = 0;
  #stream: StreamName = 'stdout';
  #remaining = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /**
   * Takes the next chunk.
   * @throws Error when a header names a stream that does not exist: the bytes are no framed stream.
   */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#remaining === 0) {
        offset = this.#readHeader(chunk, offset);
        continue;
      }
      const end = Math.min(chunk.length, offset + this.#remaining);
      this.#remaining -= end - offset;
      this.#sink(this.#stream, chunk.subarray(offset, end));
      offset = end;
    }
  }

  /** True when the stream may end here: not inside a header or a payload. */
  get atBoundary(): boolean {
    return this.#headerFilled === 0 && this.#remaining === 0;
  }

  #readHeader(chunk: Uint8Array, offset: number): number {
    const take = Math.min(FRAME_HEADER_BYTES - this.#headerFilled, chunk.length - offset);
    this.#header.set(chunk.subarray(offset, offset + take), this.#headerFilled);
    this.#headerFilled += take;
    if (this.#headerFilled < FRAME_HEADER_BYTES) return offset + take;
    const stream = STREAM_NAMES[this.#header[0] ?? 0xff];
    if (stream === undefined) throw new Error(`unrecognized stream: ${this.#header[0]}`);
    this.#stream = stream;
    this.#remaining = new DataView(this.#header.buffer).getUint32(4);
    this.#headerFilled = 0;
    return offset + take;
  }
}
