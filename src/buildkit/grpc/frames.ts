import { TareError } from '../../base/errors.ts';

/** Bytes of a message; BuildKit's own limit. */
export const MAX_MESSAGE = 16 << 20;
const HEADER = 5;

/** A message with gRPC's prefix: a byte for compression, which is never used, and the length. */
export function frameOf(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(HEADER + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEADER);
  return frame;
}

/** Cuts a stream of bytes into messages. */
export class FrameReader {
  #pieces: Uint8Array[] = [];
  #length = 0;
  /** Bytes that are needed before the next look; spares joining the pieces of a long message again and again. */
  #wanted = HEADER;

  /** The messages that are complete with `chunk`. Throws `invalid` for a compressed or oversized one. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return [];
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#length);
    const found: Uint8Array[] = [];
    let at = 0;
    this.#wanted = HEADER;
    while (bytes.length - at >= HEADER) {
      const length = lengthAt(bytes, at);
      if (bytes.length - at < HEADER + length) {
        this.#wanted = HEADER + length;
        break;
      }
      found.push(bytes.subarray(at + HEADER, at + HEADER + length));
      at += HEADER + length;
    }
    const rest = bytes.subarray(at);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    return found;
  }

  /** A message has begun and not ended. */
  get isPartial(): boolean {
    return this.#length > 0;
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0) throw new TareError('invalid', 'compressed gRPC messages are not supported');
  const length = new DataView(bytes.buffer, bytes.byteOffset + at + 1, 4).getUint32(0);
  if (length > MAX_MESSAGE) {
    throw new TareError('invalid', `gRPC message of ${length} bytes is larger than ${MAX_MESSAGE}`);
  }
  return length;
}
