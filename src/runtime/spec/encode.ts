import type { OciProcess, OciSpec } from './oci-spec.ts';
import { UNLIMITED } from './process-limits.ts';

/** The largest 64-bit number, which is what "unlimited" is on the wire; 2^64 itself would overflow. */
const MAXIMUM = '18446744073709551615';

const LIMIT = new RegExp(`"(soft|hard)":${UNLIMITED}`, 'g');

/** A configuration, or an exec's process, as JSON text. */
export function encodeSpec(value: OciSpec | OciProcess): string {
  // JSON.stringify writes the double as 18446744073709552000. Quotes inside strings are escaped, so only the keys match.
  return JSON.stringify(value).replaceAll(LIMIT, `"$1":${MAXIMUM}`);
}
