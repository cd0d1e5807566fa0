/** Reads MessagePack (spec.md of github.com/msgpack/msgpack), for what our own writer made. */

/** An extension as it came: its type and bytes. */
export interface Extension {
  readonly type: number;
  readonly data: Buffer;
}

/** All values that stand in `bytes` one after another; a cut last one is left out. */
export function unpackAll(bytes: Buffer): unknown[] {
  const values: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    try {
      const [value, next] = unpack(bytes, at);
      values.push(value);
      at = next;
    } catch (error) {
      if (error instanceof RangeError) break;
      throw error;
    }
  }
  return values;
}

type Read = [value: unknown, next: number];

function take(bytes: Buffer, at: number, size: number): Buffer {
  if (at + size > bytes.length) throw new RangeError('cut');
  return bytes.subarray(at, at + size);
}

function unpack(bytes: Buffer, at: number): Read {
  const kind = bytes.readUInt8(at);
  const text = (from: number, size: number): Read => [take(bytes, from, size).toString(), from + size];
  if (kind < 0x80) return [kind, at + 1];
  if (kind < 0x90) return map(bytes, at + 1, kind & 0x0f);
  if (kind < 0xa0) return array(bytes, at + 1, kind & 0x0f);
  if (kind < 0xc0) return text(at + 1, kind & 0x1f);
  switch (kind) {
    case 0xce:
      return [bytes.readUInt32BE(at + 1), at + 5];
    case 0xcf:
      return [Number(bytes.readBigUInt64BE(at + 1)), at + 9];
    case 0xd7:
      return [{ type: bytes.readInt8(at + 1), data: take(bytes, at + 2, 8) } satisfies Extension, at + 10];
    case 0xd9:
      return text(at + 2, bytes.readUInt8(at + 1));
    case 0xda:
      return text(at + 3, bytes.readUInt16BE(at + 1));
    case 0xdb:
      return text(at + 5, bytes.readUInt32BE(at + 1));
    case 0xdc:
      return array(bytes, at + 3, bytes.readUInt16BE(at + 1));
    case 0xde:
      return map(bytes, at + 3, bytes.readUInt16BE(at + 1));
    default:
      throw new Error(`MessagePack of kind 0x${kind.toString(16)} at ${at}`);
  }
}

function array(bytes: Buffer, at: number, length: number): Read {
  const values: unknown[] = [];
  let next = at;
  for (let index = 0; index < length; index++) {
    const [value, after] = unpack(bytes, next);
    values.push(value);
    next = after;
  }
  return [values, next];
}

function map(bytes: Buffer, at: number, length: number): Read {
  const [members, next] = array(bytes, at, length * 2);
  const flat = members as unknown[];
  const pairs = Array.from({ length }, (_, index) => [String(flat[index * 2]), flat[index * 2 + 1]] as const);
  return [Object.fromEntries(pairs), next];
}
