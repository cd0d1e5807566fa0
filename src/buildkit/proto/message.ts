import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { messageOf, TareError } from '../../base/errors.ts';

/**
 * Protocol Buffers messages as tables: name, number and kind of each field. The bytes are the library's; the types
 * follow from the table, so no code is generated.
 *
 * Example: `const Ping = message({ id: field(1, text), tags: list(2, text) }); Ping.decode(bytes).tags`.
 */
export interface Kind<T> {
  readonly wire: WireType;
  /** What a field has that is not on the wire. */
  zero(): T;
  isZero(value: T): boolean;
  read(reader: BinaryReader): T;
  write(writer: BinaryWriter, value: T): void;
}

/** A field of a message. `read` is given what came before: fields may repeat. */
export interface Field<T> {
  readonly no: number;
  readonly wire: WireType;
  zero(): T;
  read(reader: BinaryReader, before: T): T;
  write(writer: BinaryWriter, value: T): void;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
export type ValueOf<M> = M extends Message<infer T> ? T : never;
type FieldValue<F> = F extends Field<infer T> ? T : never;

export interface Message<T> {
  /** Unknown fields are skipped. Throws `invalid` for what is not this format. */
  decode(bytes: Uint8Array): T;
  encode(value: Partial<T>): Uint8Array;
}

export function message<F extends Fields>(
  fields: F,
): Message<{ -readonly [K in keyof F]: FieldValue<F[K]> }> {
  type T = { [K in keyof F]: FieldValue<F[K]> };
  const entries = Object.entries(fields);
  const byNumber = new Map(entries.map(([name, field]) => [field.no, [name, field] as const]));
  return {
    decode(bytes) {
      const value: Record<string, unknown> = {};
      for (const [name, field] of entries) value[name] = field.zero();
      const reader = new BinaryReader(bytes);
      try {
        while (reader.pos < reader.len) {
          const [no, wire] = reader.tag();
          const known = byNumber.get(no);
          // As a reader of an older or newer definition: another type is another field.
          if (known === undefined || known[1].wire !== wire) reader.skip(wire, no);
          else value[known[0]] = known[1].read(reader, value[known[0]]);
        }
      } catch (error) {
        if (error instanceof TareError) throw error;
        throw new TareError('invalid', `malformed message: ${messageOf(error)}`, error);
      }
      return value as T;
    },
    encode(value) {
      const writer = new BinaryWriter();
      for (const [name, field] of entries) {
        const part = (value as Record<string, unknown>)[name];
        if (part !== undefined) field.write(writer, part);
      }
      return writer.finish();
    },
  };
}

export const text: Kind<string> = {
  wire: WireType.LengthDelimited,
  zero: () => '',
  isZero: (value) => value === '',
  read: (reader) => reader.string(),
  write: (writer, value) => void writer.string(value),
};

const NONE = new Uint8Array(0);

export const blob: Kind<Uint8Array> = {
  wire: WireType.LengthDelimited,
  zero: () => NONE,
  isZero: (value) => value.length === 0,
  read: (reader) => reader.bytes(),
  write: (writer, value) => void writer.bytes(value),
};

export const truth: Kind<boolean> = {
  wire: WireType.Varint,
  zero: () => false,
  isZero: (value) => !value,
  read: (reader) => reader.bool(),
  write: (writer, value) => void writer.bool(value),
};

/** Unsigned, 32 bits; enumerations too. */
export const uint32: Kind<number> = {
  wire: WireType.Varint,
  zero: () => 0,
  isZero: (value) => value === 0,
  read: (reader) => reader.uint32(),
  write: (writer, value) => void writer.uint32(value),
};

export const int32: Kind<number> = {
  ...uint32,
  read: (reader) => reader.int32(),
  write: (writer, value) => void writer.int32(value),
};

/** 64 bits as a number: sizes and counts, which are exact to 2^53. */
export const int64: Kind<number> = {
  ...uint32,
  read: (reader) => Number(reader.int64()),
  write: (writer, value) => void writer.int64(Math.trunc(value)),
};

/** 64 bits, exact: times in nanoseconds. */
export const big64: Kind<bigint> = {
  wire: WireType.Varint,
  zero: () => 0n,
  isZero: (value) => value === 0n,
  read: (reader) => BigInt(reader.int64()),
  write: (writer, value) => void writer.int64(value),
};

/** A message as a kind: of which there may be none. */
export function nested<T>(shape: Message<T>): Kind<Partial<T> | undefined> {
  return {
    wire: WireType.LengthDelimited,
    zero: () => undefined,
    isZero: (value) => value === undefined,
    read: (reader) => shape.decode(reader.bytes()),
    write: (writer, value) => void writer.bytes(shape.encode(value ?? {})),
  };
}

export function field<T>(no: number, kind: Kind<T>): Field<T> {
  return {
    no,
    wire: kind.wire,
    zero: kind.zero,
    read: (reader) => kind.read(reader),
    write(writer, value) {
      if (!kind.isZero(value)) kind.write(writer.tag(no, kind.wire), value);
    },
  };
}

export function list<T>(no: number, kind: Kind<T>): Field<Exclude<T, undefined>[]> {
  return {
    no,
    wire: kind.wire,
    zero: () => [],
    read(reader, before) {
      before.push(kind.read(reader) as Exclude<T, undefined>);
      return before;
    },
    write(writer, values) {
      for (const value of values) kind.write(writer.tag(no, kind.wire), value);
    },
  };
}

/** A map with text as its keys. */
export function map<T>(no: number, kind: Kind<T>): Field<Record<string, Exclude<T, undefined>>> {
  const entry = message({ key: field(1, text), value: always(2, kind) });
  return {
    no,
    wire: WireType.LengthDelimited,
    // A client's key may be `__proto__`.
    zero: () => Object.create(null),
    read(reader, before) {
      const { key, value } = entry.decode(reader.bytes());
      before[key] = value as Exclude<T, undefined>;
      return before;
    },
    write(writer, values) {
      for (const [key, value] of Object.entries(values)) {
        writer.tag(no, WireType.LengthDelimited).bytes(entry.encode({ key, value: value as T }));
      }
    },
  };
}

/** Written even when it is zero: some readers look for a map entry's value. */
function always<T>(no: number, kind: Kind<T>): Field<T> {
  return { ...field(no, kind), write: (writer, value) => kind.write(writer.tag(no, kind.wire), value) };
}
