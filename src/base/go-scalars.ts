import { TareError } from './errors.ts';

/** Scalars as Go's package `strconv` reads them, whose words Docker passes on. */

function invalid(call: string, text: string): TareError {
  return new TareError('invalid', `strconv.${call}: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** Throws `invalid`. */
export function parseGoBool(text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  throw invalid('ParseBool', text);
}

/** A decimal integer. Throws `invalid`. */
export function parseGoInt(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw invalid('Atoi', text);
  return Number(text);
}

/** A decimal integer without a sign. Throws `invalid`. */
export function parseGoUint(text: string): number {
  if (!/^\d+$/.test(text)) throw invalid('ParseUint', text);
  return Number(text);
}
