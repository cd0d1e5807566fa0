import { quote } from './literals.ts';
import { formatNumber, formatValue, typeName, type Value } from './values.ts';

function pad(text: string, flags: string, width: number): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0')) return ' '.repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

const bad = (verb: string, value: Value): string => `%!${verb}(${typeName(value)}=${formatValue(value)})`;

function formatInteger(verb: string, flags: string, value: Value): string {
  if (typeof value === 'string') {
    if (verb !== 'x' && verb !== 'X') return bad(verb, value);
    const hex = Buffer.from(value).toString('hex');
    return verb === 'X' ? hex.toUpperCase() : hex;
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') return bad(verb, value);
  if (typeof value === 'number' && !Number.isInteger(value)) return bad(verb, value);
  const radix = { b: 2, o: 8, x: 16, X: 16 }[verb] ?? 10;
  const digits = BigInt(value).toString(radix);
  const text = verb === 'X' ? digits.toUpperCase() : digits;
  return flags.includes('+') && !text.startsWith('-') ? `+${text}` : text;
}

function formatFloat(verb: string, flags: string, precision: number | undefined, value: Value): string {
  if (typeof value !== 'number') return bad(verb, value);
  let text: string;
  if (verb === 'f' || verb === 'F') text = value.toFixed(precision ?? 6);
  else if (verb === 'e') text = value.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, 'e$10$2');
  else
    text = precision === undefined ? formatNumber(value) : String(Number(value.toPrecision(precision || 1)));
  return flags.includes('+') && !text.startsWith('-') ? `+${text}` : text;
}

function formatVerb(verb: string, flags: string, precision: number | undefined, value: Value): string {
  switch (verb) {
    case 'v':
      return formatValue(value);
    case 's': {
      if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
        return bad(verb, value);
      const text = formatValue(value);
      return precision === undefined ? text : [...text].slice(0, precision).join('');
    }
    case 'q':
      if (Array.isArray(value)) return `[${value.map((one) => quote(formatValue(one))).join(' ')}]`;
      return typeof value === 'string' ? quote(value) : bad(verb, value);
    case 't':
      return typeof value === 'boolean' ? String(value) : bad(verb, value);
    case 'T':
      return typeName(value);
    case 'c':
      return typeof value === 'number' ? String.fromCodePoint(value) : bad(verb, value);
    case 'd':
    case 'b':
    case 'o':
    case 'x':
    case 'X':
      return formatInteger(verb, flags, value);
    case 'f':
    case 'F':
    case 'e':
    case 'g':
      return formatFloat(verb, flags, precision, value);
    default:
      return bad(verb, value);
  }
}

/** Go's fmt.Sprintf for the values of a template. */
export function sprintf(format: string, values: readonly Value[]): string {
  let next = 0;
  const output = format.replace(
    /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(.)?/gsu,
    (
      whole: string,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      verb: string | undefined,
    ) => {
      if (verb === '%') return '%';
      if (verb === undefined) return '%!(NOVERB)';
      const number = (text: string | undefined) =>
        text === '*' ? Number(values[next++]) : Number(text ?? 0);
      const columns = number(width);
      const digits = whole.includes('.') ? number(precision) : undefined;
      if (next >= values.length) return `%!${verb}(MISSING)`;
      return pad(formatVerb(verb, flags, digits, values[next++]), flags, columns);
    },
  );
  if (next >= values.length) return output;
  const extra = values.slice(next).map((value) => `${typeName(value)}=${formatValue(value)}`);
  return `${output}%!(EXTRA ${extra.join(', ')})`;
}
