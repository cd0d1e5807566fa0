/**
 * Sizes for people and from people, by the rules of go-units, since scripts read docker's columns.
 */
const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];

function scale(value: number, base: number, units: readonly string[], digits: number): string {
  let size = value;
  let unit = 0;
  while (size >= base && unit < units.length - 1) {
    size /= base;
    unit++;
  }
  return `${general(size, digits)}${units[unit]}`;
}

/** A number with at most `digits` significant digits and no trailing zeros, as Go's `%.4g` prints it. */
function general(value: number, digits: number): string {
  if (value === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits)))));
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = value.toExponential(digits - 1).split('e') as [string, string];
    const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
    const sign = power.startsWith('-') ? '-' : '+';
    return `${trimmed}e${sign}${power.replace(/^[+-]/, '').padStart(2, '0')}`;
  }
  const fixed = value.toPrecision(digits);
  return fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
}

/** `4.31MB`: powers of 1000, four significant digits unless told otherwise. `bytes` must not be negative. */
export function humanSize(bytes: number, digits = 4): string {
  return scale(bytes, 1000, DECIMAL_UNITS, digits);
}

/** `15.61GiB`: powers of 1024, four significant digits. */
export function humanBytes(bytes: number): string {
  return scale(bytes, 1024, BINARY_UNITS, 4);
}

const SUFFIX_POWERS: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/**
 * Reads `512m`, `1.5g`, `64MiB` or a plain number as bytes, in powers of 1024.
 * @throws Error in go-units' words.
 */
export function parseBytes(text: string): number {
  const cut = Math.max(...[...'0123456789. '].map((character) => text.lastIndexOf(character)));
  if (cut < 0) throw new Error(`invalid size: '${text}'`);
  const number = text.slice(0, text[cut] === ' ' ? cut : cut + 1);
  const suffix = text.slice(cut + 1).toLowerCase();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(number)) {
    throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(number)}: invalid syntax`);
  }
  const value = Number(number);
  if (value < 0) throw new Error(`invalid size: '${text}'`);
  if (suffix === '' || suffix === 'b') return Math.trunc(value);
  const power = SUFFIX_POWERS[suffix[0]!];
  if (!power || !['', 'b', 'ib'].includes(suffix.slice(1))) throw new Error(`invalid suffix: '${suffix}'`);
  return Math.trunc(value * 1024 ** power);
}
