import { messageOf, TareError } from '../../../base/errors.ts';
import { replaced, type Wildcard, wildcard, withoutPrefix, withoutSuffix } from './wildcard.ts';

/**
 * Values of variables; undefined: not set. `optional`: the text says itself what happens without one, as `${name:-…}`.
 */
export type Lookup = (name: string, optional?: boolean) => string | undefined;

interface Cursor {
  readonly text: string;
  at: number;
  /** Of `${…${…}}`. */
  depth: number;
  /** Escapes go although quotes stay. */
  readonly dropsEscapes?: boolean;
}

const MAX_DEPTH = 100;

/**
 * Expands a word as Docker's own small shell does: quotes and escapes are taken away, `$name` and `${name…}` replaced.
 * Throws `invalid` for what is not closed, and for `${name:?message}` of a name without a value.
 */
export function expandWord(text: string, lookup: Lookup, escapeChar = '\\'): string {
  return read({ text, at: 0, depth: 0 }, lookup, escapeChar, '', true);
}

/** As `expandWord`, but quotes stay, and escapes but for those of dollars: for text that is read once more. */
export function expandText(text: string, lookup: Lookup, escapeChar = '\\'): string {
  return read({ text, at: 0, depth: 0 }, lookup, escapeChar, '', false);
}

/** A here-document of COPY or ADD: quotes stay, every backslash goes that is not escaped itself, as BuildKit has it. */
export function expandDocument(text: string, lookup: Lookup): string {
  return read({ text, at: 0, depth: 0, dropsEscapes: true }, lookup, '\\', '', false);
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
      result += quotes || cursor.dropsEscapes || next === '$' ? next : char + next;
      cursor.at += 2;
    } else {
      // An escape at the very end escapes nothing.
      if (char !== escapeChar || !quotes) result += char;
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
    else if (char === escapeChar && ['"', '$', escapeChar].includes(cursor.text[cursor.at + 1] ?? '')) {
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
  const rest = cursor.text.slice(cursor.at, cursor.at + MAX_NAME);
  const plain = /^\$([\p{L}_][\p{L}\p{Nd}_]*|\d+|[@*#?$!-])/u.exec(rest);
  if (plain) {
    cursor.at += plain[0].length;
    return lookup(plain[1] ?? '') ?? '';
  }
  if (!rest.startsWith('${')) {
    cursor.at++;
    return '$';
  }
  const named = /^\$\{([\p{L}_][\p{L}\p{Nd}_]*|\d+|[@*#?$!-])/u.exec(rest);
  if (!named) {
    const reason =
      rest.length === 2 ? "missing '}'" : `bad substitution in ${JSON.stringify(rest.slice(0, 40))}`;
    throw new TareError('invalid', `syntax error: ${reason}`);
  }
  cursor.at += named[0].length;
  return modified(named[1] ?? '', cursor, lookup, escapeChar);
}

/** Longer names than this are not looked for, so that a text of dollars does not take time by its square. */
const MAX_NAME = 4096;

/** What stands between the name and the closing brace. */
function modified(name: string, cursor: Cursor, lookup: Lookup, escapeChar: string): string {
  if (++cursor.depth > MAX_DEPTH) {
    throw new TareError('invalid', `syntax error: more than ${MAX_DEPTH} substitutions within each other`);
  }
  const result = substituted(name, cursor, lookup, escapeChar);
  cursor.depth--;
  return result;
}

function substituted(name: string, cursor: Cursor, lookup: Lookup, escapeChar: string): string {
  const operator = /^(?::[-+?]|[-+?}]|##?|%%?|\/\/?)/.exec(cursor.text.slice(cursor.at, cursor.at + 2))?.[0];
  if (!operator) {
    const found = cursor.text.slice(cursor.at, cursor.at + 1);
    throw new TareError(
      'invalid',
      found === ''
        ? "syntax error: missing '}'"
        : `unsupported modifier (${found}) in substitution of \${${name}}`,
    );
  }
  cursor.at += operator.length;
  if (operator === '}') return lookup(name) ?? '';
  if (operator.startsWith('/')) {
    const pattern = readPattern(cursor, '/', lookup, escapeChar);
    const replacement = read(cursor, lookup, escapeChar, '}', true);
    return replaced(lookup(name) ?? '', compiled(pattern), replacement, operator === '//');
  }
  if (operator.startsWith('#') || operator.startsWith('%')) {
    const pattern = compiled(readPattern(cursor, '}', lookup, escapeChar));
    const without = operator.startsWith('#') ? withoutPrefix : withoutSuffix;
    return without(lookup(name) ?? '', pattern, operator.length === 2);
  }
  return withDefault(name, operator, cursor, lookup, escapeChar);
}

/** `-`, `+` and `?`, with a colon before them also for an empty value. */
function withDefault(
  name: string,
  operator: string,
  cursor: Cursor,
  lookup: Lookup,
  escapeChar: string,
): string {
  const value = lookup(name, true);
  const missing = operator.startsWith(':') ? (value ?? '') === '' : value === undefined;
  const used = operator.endsWith('+') ? !missing : missing;
  // What is not used may name what does not exist.
  const other = read(cursor, used ? lookup : (key) => lookup(key, true), escapeChar, '}', true);
  if (operator.endsWith('-')) return missing ? other : (value ?? '');
  if (operator.endsWith('+')) return missing ? '' : other;
  if (!missing) return value ?? '';
  const reason = other || `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`;
  throw new TareError('invalid', `${name}: ${reason}`);
}

/** A pattern up to `end`: variables in it count, quotes go, escapes stay for the pattern. */
function readPattern(cursor: Cursor, end: string, lookup: Lookup, escapeChar: string): string {
  let pattern = '';
  while (cursor.at < cursor.text.length) {
    const char = cursor.text[cursor.at] ?? '';
    if (char === end) {
      cursor.at++;
      return pattern;
    }
    if (char === "'") pattern += single(cursor);
    else if (char === '"') pattern += double(cursor, lookup, escapeChar);
    else if (char === '$') pattern += dollar(cursor, lookup, escapeChar);
    else if (char === escapeChar && cursor.at + 1 < cursor.text.length) {
      pattern += `\\${cursor.text[cursor.at + 1]}`;
      cursor.at += 2;
    } else {
      pattern += char;
      cursor.at++;
    }
  }
  throw new TareError('invalid', `syntax error: missing '${end}' in \${}`);
}

function compiled(pattern: string): Wildcard {
  try {
    return wildcard(pattern);
  } catch (error) {
    throw new TareError('invalid', messageOf(error), error);
  }
}
