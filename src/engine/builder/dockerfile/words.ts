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
