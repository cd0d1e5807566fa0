import { parseDuration } from '../../base/go-duration.ts';
import { parseBytes } from '../format/size.ts';
import type { FlagKind } from './flag.ts';

/** A switch: `--all`, `--all=false`, `-a`. */
export const toggle: FlagKind<boolean> = {
  typeName: '',
  initial: false,
  implied: 'true',
  parse(raw) {
    if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(raw)) return true;
    if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(raw)) return false;
    throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(raw)}: invalid syntax`);
  },
};

/** A switch that is on unless turned off: `--sig-proxy=false`. */
export const toggleOn: FlagKind<boolean> = { ...toggle, initial: true, defaultText: 'true' };

/** Any text. */
export const text: FlagKind<string> = { typeName: 'string', initial: '', parse: (raw) => raw };

/** A text with a default. */
export function textOr(initial: string): FlagKind<string> {
  return { ...text, initial, defaultText: JSON.stringify(initial) };
}

function integer(typeName: string, low: bigint, high: bigint): FlagKind<number> {
  const goName = typeName.startsWith('u') ? 'ParseUint' : 'ParseInt';
  const pattern =
    low < 0n
      ? /^[+-]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]*|0[bB][01]+|[1-9][0-9]*)$/
      : /^(0[xX][0-9a-fA-F]+|[0-9]+)$/;
  return {
    typeName,
    initial: 0,
    parse(raw) {
      if (!pattern.test(raw))
        throw new Error(`strconv.${goName}: parsing ${JSON.stringify(raw)}: invalid syntax`);
      const negative = raw.startsWith('-');
      const digits = raw.replace(/^[+-]/, '').replace(/^0(?=[0-7])/, '0o');
      const value = negative ? -BigInt(digits) : BigInt(digits);
      if (value < low || value > high) {
        throw new Error(`strconv.${goName}: parsing ${JSON.stringify(raw)}: value out of range`);
      }
      return Number(value);
    },
  };
}

export const int: FlagKind<number> = integer('int', -(2n ** 63n), 2n ** 63n - 1n);
export const uint: FlagKind<number> = integer('uint', 0n, 2n ** 64n - 1n);
export const uint16: FlagKind<number> = { ...integer('uint16', 0n, 65535n), defaultText: '0' };

/** An int with a default. */
export function intOr(initial: number): FlagKind<number> {
  return { ...int, initial, defaultText: String(initial) };
}

/** A size in bytes such as `512m` (powers of 1024). */
export const bytes: FlagKind<number> = { typeName: 'bytes', initial: 0, parse: (raw) => parseBytes(raw) };

/** `--memory-swap`: a size, or -1 for no limit. */
export const swapBytes: FlagKind<number> = {
  ...bytes,
  parse: (raw) => (raw === '-1' ? -1 : parseBytes(raw)),
};

/** A span of time such as `1m30s`; the value is in nanoseconds. */
export const duration: FlagKind<number> = {
  typeName: 'duration',
  initial: 0,
  defaultText: '0s',
  parse: (raw) => parseDuration(raw),
};

/** `--cpus`: a decimal number; the value is in billionths of a CPU. */
export const nanoCpus: FlagKind<number> = {
  typeName: 'decimal',
  initial: 0,
  parse(raw) {
    const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:\/(\d+))?$/.exec(raw);
    if (!match || (match[2] === '' && !match[3]))
      throw new Error(`failed to parse ${raw} as a rational number`);
    const fraction = match[3] ?? '';
    if (fraction.replace(/0+$/, '').length > 9) throw new Error('value is too precise');
    const value = Number(match[2] || '0') * 1e9 + Number(fraction.slice(0, 9).padEnd(9, '0'));
    const divided = match[4] === undefined ? value : value / Number(match[4]);
    if (!Number.isInteger(divided)) throw new Error('value is too precise');
    return match[1] === '-' ? -divided : divided;
  },
};

/** A flag that may be repeated; each occurrence is one value, checked and perhaps rewritten by `check`. */
export function list(
  check: (raw: string) => string = (raw) => raw,
  typeName = 'list',
): FlagKind<readonly string[]> {
  return { typeName, initial: [], parse: (raw, previous) => [...previous, check(raw)] };
}

/** A flag that may be repeated and whose values may hold several, separated by commas. */
export const strings: FlagKind<readonly string[]> = {
  typeName: 'strings',
  initial: [],
  parse: (raw, previous) => (raw === '' ? previous : [...previous, ...raw.split(',')]),
};

/** Repeated `key=value`; a key alone has an empty value. `check` may refuse an occurrence. */
export function map(
  check: (raw: string) => string = (raw) => raw,
): FlagKind<Readonly<Record<string, string>>> {
  return {
    typeName: 'map',
    initial: {},
    defaultText: 'map[]',
    parse(raw, previous) {
      const checked = check(raw);
      const equals = checked.indexOf('=');
      const key = equals < 0 ? checked : checked.slice(0, equals);
      return { ...previous, [key]: equals < 0 ? '' : checked.slice(equals + 1) };
    },
  };
}

/** `--filter name=value`, repeated: names in lower case, values without surrounding space. */
export const filter: FlagKind<ReadonlyMap<string, readonly string[]>> = {
  typeName: 'filter',
  initial: new Map(),
  parse(raw, previous) {
    if (raw === '') return previous;
    const equals = raw.indexOf('=');
    if (equals < 0) throw new Error('bad format of filter (expected name=value)');
    const name = raw.slice(0, equals).trim().toLowerCase();
    const next = new Map(previous);
    next.set(name, [...(next.get(name) ?? []), raw.slice(equals + 1).trim()]);
    return next;
  },
};
