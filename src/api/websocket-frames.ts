/** Opcodes of RFC 6455, section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The longest frame that is taken from a client, in bytes: input of people and small files. */
const MAX_FRAME = 16 * 1024 * 1024;

export interface WebSocketFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** One unmasked, final frame, as servers send them. */
export function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const headerLength = length < 126 ? 2 : length < 0x10000 ? 4 : 10;
  const frame = new Uint8Array(headerLength + length);
  const view = new DataView(frame.buffer);
  frame[0] = 0x80 | opcode;
  if (headerLength === 2) frame[1] = length;
  else if (headerLength === 4) {
    frame[1] = 126;
    view.setUint16(2, length);
  } else {
    frame[1] = 127;
    view.setBigUint64(2, BigInt(length));
  }
  frame.set(payload, headerLength);
  return frame;
}

/**
 * Takes a client's frames out of bytes cut anywhere. Messages in several frames are not put together: the bytes
 * of a terminal have no message borders.
 */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** Frames that are complete now. Throws Error when the bytes break the protocol. */
  push(chunk: Uint8Array): WebSocketFrame[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: WebSocketFrame[] = [];
    for (let cut = readFrame(bytes); cut !== undefined; cut = readFrame(bytes)) {
      frames.push(cut.frame);
      bytes = bytes.subarray(cut.length);
    }
    // A copy: the next chunk may reuse the buffer.
    this.#rest = bytes.slice();
    return frames;
  }
}

function readFrame(bytes: Uint8Array): { frame: WebSocketFrame; length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint8(0);
  const second = view.getUint8(1);
  if ((first & 0x70) !== 0) throw new Error('reserved bits are set');
  if ((second & 0x80) === 0) throw new Error('a frame of a client is not masked');
  const short = second & 0x7f;
  const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
  const start = 2 + lengthBytes + 4;
  if (bytes.length < 2 + lengthBytes) return undefined;
  const length =
    lengthBytes === 0 ? short : lengthBytes === 2 ? view.getUint16(2) : Number(view.getBigUint64(2));
  if (length > MAX_FRAME) throw new Error('a frame is too long');
  if (bytes.length < start + length) return undefined;
  const mask = bytes.subarray(start - 4, start);
  const payload = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) {
    payload[index] = (bytes[start + index] ?? 0) ^ (mask[index & 3] ?? 0);
  }
  return { frame: { opcode: first & 0x0f, payload }, length: start + length };
}
