import { HttpError } from './errors.ts';

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration (`1h30m`, `1.5s`), or undefined when it is none. */
export function parseGoDuration(text: string): number | undefined {
  const match = /^([-+]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text);
  if (match === null) return text === '0' ? 0 : undefined;
  let total = 0;
  for (const part of (match[2] ?? '').matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(part[1]) * (DURATION_UNITS[part[2] ?? ''] ?? 0);
  }
  return match[1] === '-' ? -total : total;
}

/**
 * A moment as the API takes it (`since`, `until`): seconds since the epoch with up to nine fractional digits, a
 * duration before `now` (milliseconds), or RFC 3339. Gives nanoseconds since the epoch.
 * Throws with status 400.
 */
export function parseMoment(text: string, now: number): bigint {
  const seconds = /^(-?\d+)(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (seconds !== null) {
    const whole = BigInt(seconds[1] ?? '0') * 1_000_000_000n;
    return whole + BigInt((seconds[2] ?? '').padEnd(9, '0'));
  }
  const duration = parseGoDuration(text);
  if (duration !== undefined) return BigInt(Math.round((now - duration) * 1000)) * 1000n;
  // A date without a zone is meant in the daemon's own.
  const date = /^\d{4}-\d\d-\d\d(T[\d:.]*)?(Z|[+-]\d\d:\d\d)?$/.test(text) ? parseDate(text) : Number.NaN;
  if (Number.isNaN(date)) throw new HttpError(400, `invalid timestamp ${JSON.stringify(text)}`);
  return BigInt(date) * 1_000_000n + fractionBelowMillisecond(text);
}

function parseDate(text: string): number {
  const full = /^\d{4}-\d\d-\d\d$/.test(text)
    ? `${text}T00:00:00`
    : text.replace(/T(\d\d)(?=Z|[+-]|$)/, 'T$1:00');
  return Date.parse(full);
}

function fractionBelowMillisecond(text: string): bigint {
  const digits = /\.(\d+)/.exec(text)?.[1] ?? '';
  return BigInt(digits.slice(0, 9).padEnd(9, '0').slice(3));
}

/** The largest moment that stands for `no limit`. */
export function parseOptionalMoment(text: string, now: number): bigint | undefined {
  return text === '' || text === '0' ? undefined : parseMoment(text, now);
}

/** Nanoseconds as milliseconds with a fraction. */
export function nanosToMillis(nanos: bigint): number {
  return Number(nanos / 1_000_000n) + Number(nanos % 1_000_000n) / 1e6;
}

/** What Docker writes for a moment that never was. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** RFC 3339 with nanoseconds, as Docker writes it: without trailing zeros. 0 gives the zero time. */
export function rfc3339(millis: number): string {
  if (millis === 0) return ZERO_TIME;
  const whole = Math.floor(millis);
  const text = new Date(whole).toISOString();
  const nanos = Math.round((millis - whole) * 1e6);
  const fraction = `${text.slice(20, 23)}${String(nanos).padStart(6, '0')}`.replace(/0+$/, '');
  return `${text.slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`;
}
