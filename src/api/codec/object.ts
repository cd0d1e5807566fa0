import { asObject, type Codec, decode } from './codec.ts';

interface FieldCore<V> {
  readonly name: string;
  readonly codec: Codec<V>;
  /** Left out of the JSON when empty. */
  readonly omitEmpty: boolean;
  /** The members of this one stand in the outer object (Go's embedded structs). */
  readonly embedded: boolean;
}

/** A member that our value always has. */
export interface RequiredField<V> extends FieldCore<V> {
  readonly optional: false;
}

/** A member that our value has only when it was given. */
export interface OptionalField<V> extends FieldCore<V> {
  readonly optional: true;
}

/** For each property of T the member it is in JSON; the compiler sees that none is forgotten. */
export type Fields<T> = {
  readonly [K in keyof T]-?: undefined extends T[K]
    ? RequiredField<Exclude<T[K], undefined>> | OptionalField<Exclude<T[K], undefined>>
    : RequiredField<T[K]>;
};

/** Always written. */
export function field<V>(name: string, codec: Codec<V>): RequiredField<V> {
  return { name, codec, optional: false, omitEmpty: false, embedded: false };
}

/** Written unless empty (Go's `omitempty`); read as the zero value when missing. */
export function omitEmpty<V>(name: string, codec: Codec<V>): RequiredField<V> {
  return { name, codec, optional: false, omitEmpty: true, embedded: false };
}

/** A property of ours that is absent unless the member was given. */
export function optional<V>(name: string, codec: Codec<V>): OptionalField<V> {
  return { name, codec, optional: true, omitEmpty: false, embedded: false };
}

/** Its members stand in the outer object. */
export function embedded<V>(codec: Codec<V>): RequiredField<V> {
  return { name: '', codec, optional: false, omitEmpty: false, embedded: true };
}

type AnyField = RequiredField<unknown> | OptionalField<unknown>;

/** A JSON object with known members. `type` is Go's name of the struct, for messages. */
export function object<T extends object>(type: string, fields: Fields<T>): Codec<T> {
  const entries = Object.entries(fields) as Array<[string, AnyField]>;
  const names = new Map(entries.map(([, member]) => [member.name.toLowerCase(), member.name]));
  return {
    type,
    zero: () => read(entries, {}, type, names),
    decode: (json, where) => read(entries, asObject(json, where, type), type, names),
    encode: (value) => write(entries, value as Record<string, unknown>),
    isEmpty: () => false,
  } satisfies Codec<T>;

  function read(
    members: ReadonlyArray<[string, AnyField]>,
    source: Record<string, unknown>,
    struct: string,
    byLowerCase: ReadonlyMap<string, string>,
  ): T {
    const json = foldCase(source, byLowerCase);
    const result: Record<string, unknown> = {};
    for (const [property, member] of members) {
      const value = member.embedded ? source : json[member.name];
      if (member.optional && (value === undefined || value === null)) continue;
      result[property] = decode(member.codec, value, `${struct}.${member.name}`);
    }
    return result as T;
  }
}

/** Members whose case differs from the struct's get the struct's; the common case copies nothing. */
function foldCase(
  source: Record<string, unknown>,
  names: ReadonlyMap<string, string>,
): Record<string, unknown> {
  let folded: Record<string, unknown> | undefined;
  for (const key of Object.keys(source)) {
    const known = names.get(key.toLowerCase());
    if (known === undefined || known === key || Object.hasOwn(source, known)) continue;
    folded ??= { ...source };
    folded[known] = source[key];
  }
  return folded ?? source;
}

function write(entries: ReadonlyArray<[string, AnyField]>, value: Record<string, unknown>): unknown {
  const json: Record<string, unknown> = {};
  for (const [property, member] of entries) {
    const item = value[property];
    if (item === undefined || (member.omitEmpty && member.codec.isEmpty(item))) continue;
    const encoded = member.codec.encode(item);
    if (member.embedded) Object.assign(json, encoded);
    else json[member.name] = encoded;
  }
  return json;
}
