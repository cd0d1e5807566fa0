import { TareError } from '../../base/errors.ts';

/**
 * A two-way mapping between a value of ours and its JSON in Docker's names.
 *
 * Reading follows Go's encoding/json, because clients were written against it: a missing member and `null` give
 * the zero value, unknown members are ignored, member names match without regard to case, and a value of the
 * wrong type is refused with Go's sentence, which names the member.
 */
export interface Codec<T> {
  /** Go's name of the type, for messages. */
  readonly type: string;
  /** The value for a missing member or `null`. */
  zero(): T;
  /** `json` is neither null nor undefined. Throws `invalid`. */
  decode(json: unknown, where: string): T;
  encode(value: T): unknown;
  /** True when the value says nothing: what `omitempty` leaves out. */
  isEmpty(value: T): boolean;
}

/** Decodes where `null` and undefined mean the zero value. */
export function decode<T>(codec: Codec<T>, json: unknown, where = ''): T {
  return json === null || json === undefined ? codec.zero() : codec.decode(json, where);
}

/** Go's sentence about a value of the wrong type. */
export function wrongType(json: unknown, where: string, type: string): TareError {
  const kind =
    typeof json === 'boolean'
      ? 'bool'
      : typeof json === 'number'
        ? Number.isInteger(json)
          ? 'number'
          : `number ${json}`
        : typeof json === 'string'
          ? 'string'
          : Array.isArray(json)
            ? 'array'
            : 'object';
  const target = where === '' ? 'value' : `struct field ${where}`;
  return new TareError(
    'invalid',
    `invalid JSON: json: cannot unmarshal ${kind} into Go ${target} of type ${type}`,
  );
}

export const string: Codec<string> = {
  type: 'string',
  zero: () => '',
  decode(json, where) {
    if (typeof json !== 'string') throw wrongType(json, where, 'string');
    return json;
  },
  encode: (value) => value,
  isEmpty: (value) => value === '',
};

export const bool: Codec<boolean> = {
  type: 'bool',
  zero: () => false,
  decode(json, where) {
    if (typeof json !== 'boolean') throw wrongType(json, where, 'bool');
    return json;
  },
  encode: (value) => value,
  isEmpty: (value) => !value,
};

function integer(type: string, low: number, high: number): Codec<number> {
  return {
    type,
    zero: () => 0,
    decode(json, where) {
      if (typeof json !== 'number') throw wrongType(json, where, type);
      if (!Number.isInteger(json) || json < low || json > high) {
        throw new TareError(
          'invalid',
          `invalid JSON: json: cannot unmarshal number ${json} into Go struct field ${where} of type ${type}`,
        );
      }
      return json;
    },
    encode: (value) => value,
    isEmpty: (value) => value === 0,
  };
}

// 2^63 itself is what the largest int64 becomes when it is read as a double.
export const int64 = integer('int64', -(2 ** 63), 2 ** 63);
export const int = integer('int', -(2 ** 63), 2 ** 63);
export const uint16 = integer('uint16', 0, 0xffff);
export const uint32 = integer('uint32', 0, 0xffffffff);
export const uint64 = integer('uint64', 0, 2 ** 64);

/** A value or null, kept apart from the zero value (Go's pointers). */
export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    type: codec.type,
    zero: () => null,
    decode: (json, where) => codec.decode(json, where),
    encode: (value) => (value === null ? null : codec.encode(value)),
    isEmpty: (value) => value === null,
  };
}

/** A list; an empty one is written as `[]`, or as `null` where Docker does so for what was not given. */
export function list<T>(element: Codec<T>, empty: 'null' | 'array' = 'null'): Codec<T[]> {
  const type = `[]${element.type}`;
  return {
    type,
    zero: () => [],
    decode(json, where) {
      if (!Array.isArray(json)) throw wrongType(json, where, type);
      return json.map((item) => decode(element, item, where));
    },
    encode: (value) =>
      value.length === 0 && empty === 'null' ? null : value.map((item) => element.encode(item)),
    isEmpty: (value) => value.length === 0,
  };
}

/** A JSON object with arbitrary names. */
export function record<T>(element: Codec<T>, empty: 'null' | 'object' = 'object'): Codec<Record<string, T>> {
  const type = `map[string]${element.type}`;
  return {
    type,
    zero: () => ({}),
    decode(json, where) {
      const source = asObject(json, where, type);
      // Names come from the client: __proto__ must stay an ordinary name.
      const result: Record<string, T> = Object.create(null);
      for (const name of Object.keys(source)) result[name] = decode(element, source[name], where);
      return { ...result };
    },
    encode(value) {
      const names = Object.keys(value);
      if (names.length === 0 && empty === 'null') return null;
      return Object.fromEntries(names.map((name) => [name, element.encode(value[name] as T)]));
    },
    isEmpty: (value) => Object.keys(value).length === 0,
  };
}

/** Go's `map[string]struct{}`. */
export const stringSet: Codec<Record<string, Record<string, never>>> = {
  ...record<Record<string, never>>({
    type: 'struct {}',
    zero: () => ({}),
    decode(json, where) {
      asObject(json, where, 'struct {}');
      return {};
    },
    encode: () => ({}),
    isEmpty: () => true,
  }),
  type: 'map[string]struct {}',
};

/** A list of strings that may also be given as one string (`Cmd`, `Entrypoint`); null is not the empty list. */
export const strSlice: Codec<string[] | null> = {
  type: '[]string',
  zero: () => null,
  decode(json, where) {
    if (typeof json === 'string') return [json];
    if (!Array.isArray(json)) throw wrongType(json, where, '[]string');
    return json.map((item) => decode(string, item, where));
  },
  encode: (value) => value,
  isEmpty: (value) => value === null,
};

/** Height and width; null and missing give zeros. */
export const consoleSize: Codec<[number, number]> = {
  type: '[2]uint',
  zero: () => [0, 0],
  decode(json, where) {
    if (!Array.isArray(json)) throw wrongType(json, where, '[2]uint');
    return [decode(uint32, json[0], where), decode(uint32, json[1], where)];
  },
  encode: (value) => value,
  isEmpty: (value) => value[0] === 0 && value[1] === 0,
};

/** One of a closed set of strings. */
export function oneOf<T extends string>(
  values: readonly T[],
  zero: T,
  complain: (value: string) => string,
): Codec<T> {
  return {
    type: 'string',
    zero: () => zero,
    decode(json, where) {
      const text = string.decode(json, where);
      const found = values.find((value) => value === text);
      if (found === undefined) throw new TareError('invalid', complain(text));
      return found;
    },
    encode: (value) => value,
    isEmpty: (value) => value === zero,
  };
}

/** Checks that `json` is a JSON object. */
export function asObject(json: unknown, where: string, type: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrongType(json, where, type);
  return json as Record<string, unknown>;
}
