import { humanDuration } from './duration.ts';

/** `2 minutes ago`; `seconds` since the epoch. */
export function ago(seconds: number, now = Date.now()): string {
  return `${humanDuration(now / 1000 - seconds)} ago`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** A time in Go's default notation in the local zone: `2026-11-24 20:30:24 +0000 UTC`; `seconds` since the epoch. */
export function goTime(seconds: number, fraction = ''): string {
  const date = new Date(seconds * 1000);
  return `${localDate(date)}${fraction} ${zone(date)}`;
}

/** `2026-11-24 20:30:24` in the local zone. */
export function localDate(date: Date): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `+0100` with `separator` between hours and minutes. */
function offset(date: Date, separator: string): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}${separator}${two(size % 60)}`;
}

/** `+0100 CET`. */
function zone(date: Date): string {
  const name = /\(([^)]+)\)/.exec(date.toString())?.[1] ?? '';
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date);
  const short = parts.find((part) => part.type === 'timeZoneName')?.value ?? name;
  return `${offset(date, '')} ${/^[A-Z]{2,5}$/.test(short) ? short : offset(date, '')}`;
}

/** RFC 3339 in the local zone, with `Z` for UTC; `seconds` since the epoch. */
export function localRfc3339(seconds: number, fraction = ''): string {
  const date = new Date(seconds * 1000);
  const zoneText = date.getTimezoneOffset() === 0 ? 'Z' : offset(date, ':');
  return `${localDate(date).replace(' ', 'T')}${fraction}${zoneText}`;
}

/**
 * A `--since` or `--until`: a span before now (`10m`), a date in RFC 3339 or a part of one, or seconds since the
 * epoch. The answer is what the Engine API takes: seconds with nine decimals.
 * @throws Error when it is none of these.
 */
export function parseTimestamp(text: string, now: Date, parseSpan: (text: string) => number): string {
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  try {
    const span = parseSpan(text);
    return seconds(now.getTime() - span / 1e6);
  } catch {
    // Not a span: a date.
  }
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/.exec(
      text,
    );
  if (match === null) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  const [, day, hour = '00', minute = '00', second = '00', fraction = '', zoneText = ''] = match;
  const time = new Date(`${day}T${hour}:${minute}:${second}${zoneText}`);
  if (Number.isNaN(time.getTime()))
    throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  return `${Math.trunc(time.getTime() / 1000)}.${fraction.padEnd(9, '0')}`;
}

const seconds = (milliseconds: number): string => {
  const whole = Math.floor(milliseconds / 1000);
  return `${whole}.${String(Math.round((milliseconds - whole * 1000) * 1e6)).padStart(9, '0')}`;
};
