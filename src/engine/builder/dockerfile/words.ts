import { TareError } from '../../../base/errors.ts';
import { expandWord, type Lookup } from './expand.ts';

/** Splits at blanks outside of quotes; quotes and escapes stay in the words. */
export function rawWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const char = text[index] ?? '';
    if (char === escapeChar && quote !== "'" && index + 1 < text.length) {
      word += char + (text[++index] ?? '');
    } else if (quote !== '') {
      word += char;
      if (char === quote) quote = '';
    } else if (/\s/.test(char)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      word += char;
      if (char === '"' || char === "'") quote = char;
    }
  }
  if (word !== '') words.push(word);
  return words;
}

/**
 * `KEY=value …` of ENV and LABEL, or the old form `KEY value with blanks`; quotes and variables stay. Throws an Error in
 * BuildKit's words.
 */
export function keyValues(
  name: string,
  text: string,
  escapeChar: string,
): { pairs: Array<{ key: string; value: string }>; legacy: boolean } {
  const words = rawWords(text, escapeChar);
  const first = words[0];
  if (first === undefined) throw new Error(`${name} requires at least one argument`);
  if (!first.includes('=')) {
    const [, key = '', value = ''] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
    if (value === '') throw new Error(`${name} must have two arguments`);
    return { pairs: [{ key, value }], legacy: true };
  }
  const pairs = words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw new Error(
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    }
    if (equals === 0) throw new Error(`${name} names can not be blank`);
    return { key: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { pairs, legacy: false };
}

/**
 * The JSON form of a list (`["a", "b"]`), or undefined when the text is not JSON. Throws an Error for a list of other
 * things than texts.
 */
export function jsonList(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Then it is the shell's.
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (value.every((entry) => typeof entry === 'string')) return value;
  throw new Error('when using JSON array syntax, arrays must be comprised of strings only');
}

/** `KEY=value …` of ENV and LABEL, or the old form `KEY value with blanks`. Throws `invalid` in BuildKit's words. */
export function pairsOf(
  name: string,
  text: string,
  lookup: Lookup,
  escapeChar: string,
): Array<[key: string, value: string]> {
  const words = rawWords(text, escapeChar);
  const first = words[0];
  if (first === undefined) throw new TareError('invalid', `${name} must have two arguments`);
  if (!first.includes('=')) {
    const value = text.slice(text.indexOf(first) + first.length).trim();
    if (value === '') throw new TareError('invalid', `${name} must have two arguments`);
    return [[expandWord(first, lookup, escapeChar), expandWord(value, lookup, escapeChar)]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0) {
      throw new TareError(
        'invalid',
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    }
    return [
      expandWord(word.slice(0, equals), lookup, escapeChar),
      expandWord(word.slice(equals + 1), lookup, escapeChar),
    ];
  });
}

/** The JSON form of a list (`["a", "b"]`), or undefined when the text is not that. */
export function jsonWords(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value;
  } catch {
    // Then it is the shell's.
  }
  return undefined;
}
