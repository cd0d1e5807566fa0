/**
 * The part of MessagePack that the forward protocol of fluentd takes: strings, integers, maps of strings, arrays
 * and its event time (github.com/msgpack/msgpack, spec.md).
 */

/** A string in the shortest form. */
export function packString(text: string | Uint8Array): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const size = bytes.byteLength;
  if (size < 32) return Buffer.concat([Buffer.of(0xa0 | size), bytes]);
  if (size < 0x100) return Buffer.concat([Buffer.of(0xd9, size), bytes]);
  const head = Buffer.alloc(size < 0x10000 ? 3 : 5);
  head[0] = size < 0x10000 ? 0xda : 0xdb;
  if (size < 0x10000) head.writeUInt16BE(size, 1);
  else head.writeUInt32BE(size, 1);
  return Buffer.concat([head, bytes]);
}

/** An integer of 0 to 2^53 - 1. */
export function packUnsigned(value: number): Buffer {
  if (value < 0x80) return Buffer.of(value);
  if (value < 0x1_0000_0000) {
    const bytes = Buffer.alloc(5);
    bytes[0] = 0xce;
    bytes.writeUInt32BE(value, 1);
    return bytes;
  }
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcf;
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

/** The head of an array of `length` members, which follow. */
export function packArrayHead(length: number): Buffer {
  return collectionHead(length, 0x90, 0xdc);
}

/** The head of a map of `length` pairs, which follow. */
export function packMapHead(length: number): Buffer {
  return collectionHead(length, 0x80, 0xde);
}

function collectionHead(length: number, short: number, long: number): Buffer {
  if (length < 16) return Buffer.of(short | length);
  const bytes = Buffer.alloc(3);
  bytes[0] = long;
  bytes.writeUInt16BE(length, 1);
  return bytes;
}

/** fluentd's EventTime: extension type 0 with seconds and nanoseconds. */
export function packEventTime(seconds: number, nanos: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.set([0xd7, 0x00]);
  bytes.writeUInt32BE(seconds, 2);
  bytes.writeUInt32BE(nanos, 6);
  return bytes;
}
