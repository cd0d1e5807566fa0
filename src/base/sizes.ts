import { TareError } from './errors.ts';

const UNITS = ['', 'k', 'm', 'g', 't', 'p'];

/** Bytes of `20m`, `1.5GB`, `512`: binary multiples, as Docker's RAMInBytes. Throws `invalid`. */
export function parseSize(text: string): number {
  return parse(text, 1024);
}

/** Bytes of `20m`, `1.5GB`, `512`: decimal multiples, as Docker's FromHumanSize. Throws `invalid`. */
export function parseDecimalSize(text: string): number {
  return parse(text, 1000);
}

function parse(text: string, base: number): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text.trim());
  if (!match) throw new TareError('invalid', `invalid size: '${text}'`);
  const exponent = UNITS.indexOf((match[2] ?? '').toLowerCase());
  return Math.floor(Number(match[1]) * base ** exponent);
}

/** Bytes for people, in binary units with at most four digits: `512MiB`, `1.5GiB`. */
export function formatSize(bytes: number): string {
  let exponent = 0;
  let value = bytes;
  for (; value >= 1024 && exponent < UNITS.length - 1; exponent += 1) value /= 1024;
  const unit = UNITS[exponent]?.toUpperCase() ?? '';
  return `${Number(value.toPrecision(4))}${unit === '' ? 'B' : `${unit}iB`}`;
}
