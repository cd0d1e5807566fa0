import { quote } from './literals.ts';
import { sprintf } from './printf.ts';
import { formatValue, isMap, isTrue, lengthOf, Row, TypedNil, typeName, type Value } from './values.ts';

/** A function of a template. It throws an Error with Go's words. */
export type TemplateFunction = (...values: Value[]) => Value;

type Basic = 'bool' | 'int' | 'float' | 'string';

function basicKind(value: Value): Basic {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  throw new Error('invalid type for comparison');
}

/** Numbers compare with numbers: JSON does not say whether `2` was meant as a float. */
function comparable(left: Value, right: Value): void {
  const numeric = (kind: Basic) => (kind === 'float' ? 'int' : kind);
  if (numeric(basicKind(left)) !== numeric(basicKind(right)))
    throw new Error('incompatible types for comparison');
}

const isNil = (value: Value): boolean => value === null || value === undefined || value instanceof TypedNil;

function equal(first: Value, ...others: Value[]): boolean {
  if (others.length === 0) throw new Error('missing argument for comparison');
  return others.some((other) => {
    if (isNil(first) || isNil(other)) return isNil(first) && isNil(other);
    comparable(first, other);
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint equals the number of the same value
    return first == other;
  });
}

function less(left: Value, right: Value): boolean {
  comparable(left, right);
  if (typeof left === 'boolean') throw new Error('invalid type for comparison');
  return (left as number) < (right as number);
}

function indexOne(collection: Value, key: Value): Value {
  if (collection === null || collection === undefined) throw new Error('index of untyped nil');
  if (Array.isArray(collection) || typeof collection === 'string' || isNilList(collection)) {
    if (typeof key !== 'number') throw new Error(`cannot index slice/array with type ${typeName(key)}`);
    const list =
      typeof collection === 'string' ? [...Buffer.from(collection)] : isNilList(collection) ? [] : collection;
    if (key < 0 || key >= (list as unknown[]).length) throw new Error(`index out of range: ${key}`);
    return (list as unknown[])[key];
  }
  if (collection instanceof TypedNil) return '';
  if (!isMap(collection)) throw new Error(`can't index item of type ${typeName(collection)}`);
  if (typeof key !== 'string') throw new Error(`value has type ${typeName(key)}; should be string`);
  if (Object.hasOwn(collection, key)) return collection[key];
  // Labels and options are maps of strings to docker, where a missing key gives an empty string.
  return Object.values(collection).every((value) => typeof value === 'string') ? '' : undefined;
}

const isNilList = (value: Value): boolean => value instanceof TypedNil && value.type === 'slice';

function slice(collection: Value, ...bounds: Value[]): Value {
  const length = lengthOf(collection);
  if (length === undefined || isMap(collection))
    throw new Error(`can't slice item of type ${typeName(collection)}`);
  const [from = 0, to = length] = bounds as number[];
  for (const bound of [from, to]) {
    if (typeof bound !== 'number') throw new Error(`cannot index slice/array with type ${typeName(bound)}`);
    if (bound < 0 || bound > length) throw new Error(`index out of range: ${bound}`);
  }
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  if (typeof collection === 'string') return Buffer.from(collection).subarray(from, to).toString();
  return Array.isArray(collection) ? collection.slice(from, to) : [];
}

/** Spaces between operands when neither side is a string, as fmt.Sprint does. */
function print(...values: Value[]): string {
  return values.reduce<string>((output, value, index) => {
    const separated = index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string';
    return output + (separated ? ' ' : '') + formatValue(value);
  }, '');
}

const textOf = (value: Value, name: string): string => {
  if (typeof value === 'string') return value;
  throw new Error(`wrong type for value; expected string; got ${typeName(value)} in ${name}`);
};

function escapeHtml(...values: Value[]): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&#34;',
    "'": '&#39;',
  };
  return print(...values).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** JSON as docker writes it: one line, big integers as they are. */
export function toJson(value: Value): string {
  if (typeof value === 'bigint') return String(value);
  if (value === undefined || value instanceof TypedNil) return 'null';
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (!isMap(value)) return JSON.stringify(value);
  const fields: string[] = [];
  for (const [key, field] of Object.entries(value)) {
    if (typeof field !== 'function') fields.push(`${JSON.stringify(key)}:${toJson(field)}`);
  }
  const text = `{${fields.join(',')}}`;
  return value instanceof Row ? escapeForHtml(text) : text;
}

const escapeForHtml = (json: string): string =>
  json.replace(/[<>&]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);

const titleCase = (text: string): string =>
  text.replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, before, letter) => before + letter.toUpperCase());

/** The functions of Go's templates and those that docker adds. `and` and `or` live in the evaluator. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  not: (value) => !isTrue(value),
  len(value) {
    const length = lengthOf(value);
    if (length === undefined) throw new Error(`len of type ${typeName(value)}`);
    return length;
  },
  index: (collection, ...keys) => keys.reduce(indexOne, collection),
  slice,
  print,
  println: (...values) => `${values.map(formatValue).join(' ')}\n`,
  printf: (format, ...values) => sprintf(textOf(format, 'printf'), values),
  html: escapeHtml,
  js: (...values) => quote(print(...values)).slice(1, -1),
  urlquery: (...values) => encodeURIComponent(print(...values)).replaceAll('%20', '+'),
  eq: equal,
  ne: (left, right) => !equal(left, right),
  lt: less,
  le: (left, right) => less(left, right) || equal(left, right),
  gt: (left, right) => less(right, left),
  ge: (left, right) => less(right, left) || equal(left, right),
  json: toJson,
  split: (text, separator) => textOf(text, 'split').split(textOf(separator, 'split')),
  join(list, separator) {
    if (list instanceof TypedNil) return '';
    if (!Array.isArray(list))
      throw new Error(`wrong type for value; expected []string; got ${typeName(list)}`);
    return list.map((one) => textOf(one, 'join')).join(textOf(separator, 'join'));
  },
  title: (text) => titleCase(textOf(text, 'title')),
  lower: (text) => textOf(text, 'lower').toLowerCase(),
  upper: (text) => textOf(text, 'upper').toUpperCase(),
  pad(text, before, after) {
    const inside = textOf(text, 'pad');
    return inside === '' ? '' : ' '.repeat(Number(before)) + inside + ' '.repeat(Number(after));
  },
  truncate: (text, length) => textOf(text, 'truncate').slice(0, Number(length)),
};
