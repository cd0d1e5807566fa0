const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The value of a Go string literal in double quotes or backquotes, or of a character in single quotes. */
export function unquote(literal: string): string {
  const inside = literal.slice(1, -1);
  if (literal.startsWith('`')) return inside;
  return inside.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gs,
    (_, x, u, U, o, c) => {
      const hex: string | undefined = x ?? u ?? U;
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
      if (o !== undefined) return String.fromCodePoint(Number.parseInt(o, 8));
      return ESCAPES[c] ?? c;
    },
  );
}

/** The value of a Go number or character constant; `fail` makes the error for what is neither. */
export function parseNumber(text: string, fail: () => Error): number {
  if (text.startsWith("'")) return unquote(text).codePointAt(0)!;
  const plain = text.replaceAll('_', '');
  const sign = plain.startsWith('-') ? -1 : 1;
  const digits = plain.replace(/^[+-]/, '');
  const value = Number(/^0\d+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (Number.isNaN(value)) throw fail();
  return sign * value;
}

/** A string in double quotes with Go's escapes, as `%q` prints it. */
export function quote(text: string): string {
  let output = '"';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const named = Object.entries(ESCAPES).find(([, value]) => value === character);
    if (character === '"' || character === '\\') output += `\\${character}`;
    else if (named !== undefined) output += `\\${named[0]}`;
    else if (code < 0x20 || code === 0x7f) output += `\\x${code.toString(16).padStart(2, '0')}`;
    else output += character;
  }
  return `${output}"`;
}
