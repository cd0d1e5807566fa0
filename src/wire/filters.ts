import { TareError } from '../base/errors.ts';

/**
 * The `filters` of Docker's list endpoints: `{"label":["a=b","c"]}`, or the older `{"label":{"a=b":true}}`.
 * Values of one name are alternatives but for `label`, where all must hold; names are joined by and.
 */
export class Filters {
  readonly #map: ReadonlyMap<string, readonly string[]>;

  constructor(map: ReadonlyMap<string, readonly string[]>) {
    this.#map = map;
  }

  /** Values by name. */
  get map(): ReadonlyMap<string, readonly string[]> {
    return this.#map;
  }

  get names(): Iterable<string> {
    return this.#map.keys();
  }

  has(name: string): boolean {
    return this.#map.has(name);
  }

  /** The values of a filter; empty when it was not given. */
  get(name: string): readonly string[] {
    return this.#map.get(name) ?? [];
  }

  /** True when the filter was not given or one of its values is exactly `value`. */
  exact(name: string, value: string): boolean {
    const values = this.#map.get(name);
    return values === undefined || values.length === 0 || values.includes(value);
  }

  /**
   * A filter that says yes or no once (`dangling`): Docker accepts 1, true, 0 and false.
   * Throws `invalid` for anything else and for both at once.
   */
  bool(name: string, ifMissing: boolean): boolean {
    const values = this.get(name);
    if (values.length === 0) return ifMissing;
    const yes = values.some((value) => value === '1' || value === 'true');
    const no = values.some((value) => value === '0' || value === 'false');
    if (yes === no) throw invalidFilter(name, values);
    return yes;
  }

  /** True when all `name` filters (`key` or `key=value`) hold for `labels`. */
  labels(name: string, labels: Readonly<Record<string, string>> | null | undefined): boolean {
    return this.get(name).every((wanted) => labelHolds(wanted, labels));
  }

  /** Docker's prune words: every `label` must hold and no `label!` may. */
  prunable(labels: Readonly<Record<string, string>> | null | undefined): boolean {
    return this.labels('label', labels) && !this.get('label!').some((wanted) => labelHolds(wanted, labels));
  }

  /** Throws `invalid` with Docker's words when a name is not among `known`. */
  restrictTo(known: ReadonlySet<string>): this {
    for (const name of this.#map.keys()) {
      if (!known.has(name)) throw new TareError('invalid', `invalid filter '${name}'`);
    }
    return this;
  }
}

/** No filters. */
export const NO_FILTERS = new Filters(new Map());

function labelHolds(wanted: string, labels: Readonly<Record<string, string>> | null | undefined): boolean {
  const cut = wanted.indexOf('=');
  const key = cut < 0 ? wanted : wanted.slice(0, cut);
  const value = labels?.[key];
  return value !== undefined && (cut < 0 || value === wanted.slice(cut + 1));
}

function invalidFilter(name: string, values: readonly string[]): TareError {
  return new TareError('invalid', `invalid filter '${name}=[${values.join(' ')}]'`);
}

/** Reads the query parameter `filters`. Throws `invalid` when it is not JSON of one of the two shapes. */
export function parseFilters(text: string | null | undefined): Filters {
  if (!text) return NO_FILTERS;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new TareError('invalid', 'invalid filter: the filters parameter is not valid JSON');
  }
  if (json === null) return NO_FILTERS;
  if (typeof json !== 'object' || Array.isArray(json)) throw badShape();
  const map = new Map<string, readonly string[]>();
  for (const [name, values] of Object.entries(json)) map.set(name, readValues(values));
  return map.size === 0 ? NO_FILTERS : new Filters(map);
}

function readValues(values: unknown): readonly string[] {
  if (values === null) return [];
  if (Array.isArray(values)) {
    if (!values.every((value): value is string => typeof value === 'string')) throw badShape();
    return values;
  }
  if (typeof values !== 'object') throw badShape();
  for (const flag of Object.values(values)) if (typeof flag !== 'boolean') throw badShape();
  return Object.keys(values);
}

function badShape(): TareError {
  return new TareError('invalid', 'invalid filter: expected a JSON object of lists of strings');
}

/** Writes filters for a request, in the form that Docker's newer clients send. */
export function encodeFilters(filters: ReadonlyMap<string, readonly string[]>): string {
  const json: Record<string, Record<string, boolean>> = {};
  for (const [name, values] of filters) json[name] = Object.fromEntries(values.map((value) => [value, true]));
  return JSON.stringify(json);
}
