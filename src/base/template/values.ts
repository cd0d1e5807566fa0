/**
 * What values are to a template, and how Go prints them. A value is what JSON gives (null, boolean, number,
 * string, array, plain object as a map with string keys), a bigint, a TypedNil, or an object with methods made
 * by a formatter (a function in a property is a method).
 */

/** A Go nil that knows its type: prints as an empty list or map, unlike a missing value. */
export class TypedNil {
  readonly type: 'slice' | 'map' | 'pointer';
  /** The daemon's answer had no such field at all. */
  readonly omitted: boolean;

  constructor(type: 'slice' | 'map' | 'pointer', omitted = false) {
    this.type = type;
    this.omitted = omitted;
  }

  toJSON(): null {
    return null;
  }
}

export type Value = unknown;

/** A row of a list made by a formatter. As JSON it is written like Go's encoding/json does: `>` as `\\u003e`. */
export class Row {
  [field: string]: Value;
}

export const isMap = (value: Value): value is Record<string, Value> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof TypedNil);

/** Go's truth: false, 0, "", nil and empty collections are false. */
export function isTrue(value: Value): boolean {
  if (value === null || value === undefined || value instanceof TypedNil) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** Length of a string in bytes, or of a collection; undefined for what has none. */
export function lengthOf(value: Value): number | undefined {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof TypedNil && value.type !== 'pointer') return 0;
  return isMap(value) ? Object.keys(value).length : undefined;
}

/** A number as Go's `%v` prints it. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e21) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

/** A value as Go's `%v` prints it inside of another: `map[a:1 b:[x y]]`. */
export function formatValue(value: Value): string {
  if (value === null || value === undefined) return '<nil>';
  if (value instanceof TypedNil)
    return value.type === 'pointer' ? '<nil>' : value.type === 'map' ? 'map[]' : '[]';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map(formatValue).join(' ')}]`;
  if (!isMap(value)) return String(value);
  const keys = Object.keys(value).sort();
  return `map[${keys.map((key) => `${key}:${formatValue(value[key])}`).join(' ')}]`;
}

/** A value as an action prints it. */
export function printValue(value: Value): string {
  return value === null || value === undefined ? '<no value>' : formatValue(value);
}

/** What Go calls the type of a value, for messages. */
export function typeName(value: Value): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number' || typeof value === 'bigint') {
    return typeof value === 'number' && !Number.isInteger(value) ? 'float64' : 'int';
  }
  if (Array.isArray(value)) return '[]interface {}';
  return 'map[string]interface {}';
}
