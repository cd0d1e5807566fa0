import { TareError } from '../../../base/errors.ts';

/** Values of variables; undefined: not set. */
export type Lookup = (name: string) => string | undefined;

interface Cursor {
  readonly text: string;
  at: number;
}

/**
 * Expands a word as Docker's own small shell does: quotes and escapes are taken away, `$name` and `${name…}` replaced.
 * Throws `invalid` for what is not closed, and for `${name:?message}` of a name without a value.
 */
export function expandWord(text: string, lookup: Lookup, escapeChar = '\\'): string {
  return read({ text, at: 0 }, lookup, escapeChar, '', true);
}

/** As `expandWord`, but quotes stay: for text that a shell reads later, and for here-documents. */
export function expandText(text: string, lookup: Lookup, escapeChar = '\\'): string {
  return read({ text, at: 0 }, lookup, escapeChar, '', false);
}

/** Reads up to `end` (empty: the whole text), which is passed. */
function read(cursor: Cursor, lookup: Lookup, escapeChar: string, end: string, quotes: boolean): string {
  let result = '';
  while (cursor.at < cursor.text.length) {
    const char = cursor.text[cursor.at] ?? '';
    if (end !== '' && char === end) {
      cursor.at++;
      return result;
    }
    if (char === "'" && quotes) result += single(cursor);
    else if (char === '"' && quotes) result += double(cursor, lookup, escapeChar);
    else if (char === '$') result += dollar(cursor, lookup, escapeChar);
    else if (char === escapeChar && cursor.at + 1 < cursor.text.length) {
      // Before a variable the escape goes even where quotes stay: that is how one writes a dollar.
      const next = cursor.text[cursor.at + 1] ?? '';
      result += quotes || next === '$' ? next : char + next;
      cursor.at += 2;
    } else {
      result += char;
      cursor.at++;
    }
  }
  if (end !== '')
    throw new TareError('invalid', `unexpected end of statement while looking for matching ${end}`);
  return result;
}

function single(cursor: Cursor): string {
  const close = cursor.text.indexOf("'", cursor.at + 1);
  if (close < 0) {
    throw new TareError('invalid', 'unexpected end of statement while looking for matching single-quote');
  }
  const inner = cursor.text.slice(cursor.at + 1, close);
  cursor.at = close + 1;
  return inner;
}

function double(cursor: Cursor, lookup: Lookup, escapeChar: string): string {
  cursor.at++;
  let result = '';
  while (cursor.at < cursor.text.length) {
    const char = cursor.text[cursor.at] ?? '';
    if (char === '"') {
      cursor.at++;
      return result;
    }
    if (char === '$') result += dollar(cursor, lookup, escapeChar);
    else if (char === escapeChar && /["$\\`]/.test(cursor.text[cursor.at + 1] ?? '')) {
      result += cursor.text[cursor.at + 1];
      cursor.at += 2;
    } else {
      result += char;
      cursor.at++;
    }
  }
  throw new TareError('invalid', 'unexpected end of statement while looking for matching double-quote');
}

function dollar(cursor: Cursor, lookup: Lookup, escapeChar: string): string {
  const rest = cursor.text.slice(cursor.at);
  const plain = /^\$([A-Za-z_]\w*|[@*#?$!0-9-])/.exec(rest);
  if (plain) {
    cursor.at += plain[0].length;
    return lookup(plain[1] ?? '') ?? '';
  }
  if (!rest.startsWith('${')) {
    cursor.at++;
    return '$';
  }
  const named = /^\$\{(\w+)/.exec(rest);
  if (!named) throw new TareError('invalid', `syntax error: bad substitution in ${JSON.stringify(rest)}`);
  cursor.at += named[0].length;
  return modified(named[1] ?? '', cursor, lookup, escapeChar);
}

/** What stands between the name and the closing brace. */
function modified(name: string, cursor: Cursor, lookup: Lookup, escapeChar: string): string {
  const value = lookup(name);
  const operator = /^(?::[-+?]|[-+?}]|##?|%%?|\/\/?)/.exec(cursor.text.slice(cursor.at))?.[0];
  if (!operator) throw new TareError('invalid', `unsupported modifier in substitution of \${${name}}`);
  cursor.at += operator.length;
  if (operator === '}') return value ?? '';
  const word = (end: string): string => read(cursor, lookup, escapeChar, end, true);
  if (operator.startsWith('/')) {
    const pattern = readPattern(cursor, '/');
    const replacement = word('}');
    return replace(value ?? '', pattern, replacement, operator === '//');
  }
  if (operator.startsWith('#') || operator.startsWith('%')) {
    return strip(value ?? '', word('}'), operator);
  }
  const other = word('}');
  const missing = operator.startsWith(':') ? (value ?? '') === '' : value === undefined;
  if (operator.endsWith('-')) return missing ? other : (value ?? '');
  if (operator.endsWith('+')) return missing ? '' : other;
  if (missing) throw new TareError('invalid', `${name}: ${other || 'not allowed to be unset'}`);
  return value ?? '';
}

/** The pattern of `${name/pattern/replacement}`; a slash in it is escaped. */
function readPattern(cursor: Cursor, end: string): string {
  let pattern = '';
  while (cursor.at < cursor.text.length) {
    const char = cursor.text[cursor.at] ?? '';
    if (char === end) {
      cursor.at++;
      return pattern;
    }
    if (char === '\\' && cursor.text[cursor.at + 1] === end) cursor.at++;
    pattern += cursor.text[cursor.at] ?? '';
    cursor.at++;
  }
  throw new TareError('invalid', 'syntax error: missing / in the substitution of a pattern');
}

/** A shell pattern as a regular expression's source: `*`, `?`, and escapes. */
function patternSource(pattern: string, greedy: boolean): string {
  let source = '';
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index] ?? '';
    if (char === '*') source += greedy ? '[\\s\\S]*' : '[\\s\\S]*?';
    else if (char === '?') source += '[\\s\\S]';
    else if (char === '\\' && index + 1 < pattern.length) source += escapeExpression(pattern[++index] ?? '');
    else source += escapeExpression(char);
  }
  return source;
}

function escapeExpression(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
}

function strip(value: string, pattern: string, operator: string): string {
  const greedy = operator.length === 2;
  if (operator.startsWith('#')) {
    return value.replace(new RegExp(`^${patternSource(pattern, greedy)}`), '');
  }
  const whole = new RegExp(`^${patternSource(pattern, true)}$`);
  // The shortest or the longest tail that fits.
  const order = Array.from({ length: value.length + 1 }, (_, index) => index);
  for (const start of greedy ? order : order.reverse()) {
    if (whole.test(value.slice(start))) return value.slice(0, start);
  }
  return value;
}

function replace(value: string, pattern: string, replacement: string, all: boolean): string {
  if (pattern === '') return value;
  return value.replace(new RegExp(patternSource(pattern, true), all ? 'g' : ''), () => replacement);
}
