import { type Filters, parseFilters } from '../wire/filters.ts';
import { HttpError } from './errors.ts';
import type { Exchange } from './exchange.ts';

/** A yes-or-no parameter as Docker reads it: everything but empty, 0, no, false and none is yes. */
export function flag(x: Exchange, name: string): boolean {
  const value = (x.query.get(name) ?? '').trim().toLowerCase();
  return !['', '0', 'no', 'false', 'none'].includes(value);
}

/** Like flag, with another value for a parameter that was not given. */
export function flagOr(x: Exchange, name: string, ifMissing: boolean): boolean {
  return x.query.has(name) ? flag(x, name) : ifMissing;
}

/** A text parameter, empty when it was not given. */
export function text(x: Exchange, name: string): string {
  return x.query.get(name) ?? '';
}

/** A whole number, or undefined when it was not given. Throws with status 400 and Go's words. */
export function integer(x: Exchange, name: string): number | undefined {
  const value = x.query.get(name);
  if (value === null || value === '') return undefined;
  if (!/^[-+]?\d+$/.test(value)) {
    throw new HttpError(400, `strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  return Number(value);
}

/** The parameter `filters`. */
export function filters(x: Exchange): Filters {
  return parseFilters(x.query.get('filters'));
}
