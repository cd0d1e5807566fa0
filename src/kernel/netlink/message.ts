/**
 * The wire format of netlink (netlink(7)): a stream of messages, each a 16-byte header and a payload of a fixed
 * struct followed by attributes; everything is aligned to four bytes and in the host's byte order, which is
 * little endian on both architectures we build for.
 */

const HEADER = 16;
const align = (length: number): number => (length + 3) & ~3;

/** Flags of requests, include/uapi/linux/netlink.h. */
export const NetlinkFlag = {
  REQUEST: 0x1,
  ACK: 0x4,
  ROOT: 0x100,
  MATCH: 0x200,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;

/** Message types below the protocols' own. */
export const NetlinkType = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;

/** Set in the type of an attribute that holds attributes. */
const NESTED = 0x8000;
/** The bits of an attribute's type that are the type. */
const TYPE_MASK = 0x3fff;

/** Writes messages one after another into a buffer that grows. */
export class NetlinkWriter {
  #buffer = Buffer.alloc(1024);
  #length = 0;

  /** What has been written so far. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(count: number): number {
    const start = this.#length;
    const end = start + count;
    if (end > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, start);
      this.#buffer = larger;
    }
    this.#length = end;
    return start;
  }

  #pad(): void {
    this.#reserve(align(this.#length) - this.#length);
  }

  /** One message; `body` writes its payload. */
  message(type: number, flags: number, sequence: number, body: () => void): void {
    const start = this.#reserve(HEADER);
    this.#buffer.writeUInt16LE(type, start + 4);
    this.#buffer.writeUInt16LE(flags, start + 6);
    this.#buffer.writeUInt32LE(sequence, start + 8);
    body();
    this.#buffer.writeUInt32LE(this.#length - start, start);
    this.#pad();
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#buffer.writeUInt8(value, at);
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16LE(value, at);
  }

  /** In network byte order. */
  u16be(value: number): void {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16BE(value, at);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }

  /** An attribute of bytes. */
  attribute(type: number, data: Uint8Array): void {
    const start = this.#reserve(4 + data.length);
    this.#buffer.writeUInt16LE(4 + data.length, start);
    this.#buffer.writeUInt16LE(type, start + 2);
    this.#buffer.set(data, start + 4);
    this.#pad();
  }

  /** A zero-terminated string. */
  string(type: number, text: string): void {
    this.attribute(type, Buffer.from(`${text}\0`));
  }

  number8(type: number, value: number): void {
    this.attribute(type, Uint8Array.of(value));
  }

  number16(type: number, value: number): void {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(value);
    this.attribute(type, bytes);
  }

  number32(type: number, value: number): void {
    const data = Buffer.alloc(4);
    data.writeUInt32LE(value >>> 0);
    this.attribute(type, data);
  }

  /** In network byte order, as nf_tables has its numbers. */
  number32be(type: number, value: number): void {
    const data = Buffer.alloc(4);
    data.writeUInt32BE(value >>> 0);
    this.attribute(type, data);
  }

  /** An attribute that holds what `body` writes. */
  nested(type: number, body: () => void): void {
    const start = this.#reserve(4);
    body();
    this.#buffer.writeUInt16LE(this.#length - start, start);
    this.#buffer.writeUInt16LE(type | NESTED, start + 2);
    this.#pad();
  }
}

/** A message as read; `payload` is everything after the header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Port of the socket that caused it (0: the kernel). */
  readonly port: number;
  readonly payload: Buffer;
}

/** Splits what a `recv` returned into messages; a torn message at the end is dropped. */
export function* readMessages(data: Buffer): Generator<NetlinkMessage> {
  let at = 0;
  while (at + HEADER <= data.length) {
    const length = data.readUInt32LE(at);
    if (length < HEADER || at + length > data.length) return;
    yield {
      type: data.readUInt16LE(at + 4),
      flags: data.readUInt16LE(at + 6),
      sequence: data.readUInt32LE(at + 8),
      port: data.readUInt32LE(at + 12),
      payload: data.subarray(at + HEADER, at + length),
    };
    at += align(length);
  }
}

/** The attributes that follow a payload's fixed struct of `offset` bytes, by type; a later one wins. */
export function readAttributes(payload: Buffer, offset = 0): Map<number, Buffer> {
  const result = new Map<number, Buffer>();
  for (const [type, data] of readAttributeList(payload, offset)) result.set(type, data);
  return result;
}

/** The same in order, for lists whose members share a type. */
export function readAttributeList(payload: Buffer, offset = 0): Array<[number, Buffer]> {
  const result: Array<[number, Buffer]> = [];
  let at = align(offset);
  while (at + 4 <= payload.length) {
    const length = payload.readUInt16LE(at);
    if (length < 4 || at + length > payload.length) break;
    result.push([payload.readUInt16LE(at + 2) & TYPE_MASK, payload.subarray(at + 4, at + length)]);
    at += align(length);
  }
  return result;
}

/** The text of a string attribute, without its terminating zero. */
export function readString(data: Buffer | undefined): string {
  if (data === undefined) return '';
  const end = data.indexOf(0);
  return data.toString('utf8', 0, end < 0 ? data.length : end);
}
