/** `*`, `?`, or a character that stands for itself. */
type Token = { readonly any: 'text' | 'character' } | { readonly literal: string };

/**
 * A shell pattern of `${name#pattern}` and its kin: `*` is any text, `?` one character, a backslash before `*`, `?`, `\`,
 * `/` and `}` takes their meaning away; there are no classes. Matching takes time by the lengths of text and pattern,
 * whatever they are: a Dockerfile must not be able to keep the builder busy.
 */
export type Wildcard = readonly Token[];

/** Throws an Error for an escape of another character. */
export function wildcard(pattern: string): Wildcard {
  const tokens: Token[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') tokens.push({ any: 'text' });
    else if (character === '?') tokens.push({ any: 'character' });
    else if (character === '\\') {
      const next = characters[++at] ?? '';
      if (!['*', '?', '\\', '/', '}'].includes(next)) {
        throw new Error(`invalid pattern (${pattern}) in substitution: invalid escape '\\${next}'`);
      }
      tokens.push({ literal: next });
    } else tokens.push({ literal: character });
  }
  return tokens;
}

/** The text without the shortest or longest beginning that the pattern matches. */
export function withoutPrefix(text: string, pattern: Wildcard, longest: boolean): string {
  const characters = [...text];
  const end = matchFrom(characters, 0, pattern, longest).end;
  return end === undefined ? text : characters.slice(end).join('');
}

/** The text without the shortest or longest end that the pattern matches. */
export function withoutSuffix(text: string, pattern: Wildcard, longest: boolean): string {
  const characters = [...text];
  const end = matchFrom(characters.toReversed(), 0, pattern.toReversed(), longest).end;
  return end === undefined ? text : characters.slice(0, characters.length - end).join('');
}

/** The text with the first longest match replaced, or with all that do not overlap. */
export function replaced(text: string, pattern: Wildcard, replacement: string, all: boolean): string {
  if (pattern.length === 0) return text;
  const characters = [...text];
  let result = '';
  let at = 0;
  while (at < characters.length) {
    const { end, hopeless } = matchFrom(characters, at, pattern, true);
    if (end !== undefined && end > at) {
      result += replacement;
      at = end;
      if (!all) break;
    } else if (hopeless) break;
    else result += characters[at++];
  }
  return result + characters.slice(at).join('');
}

/**
 * Where a match that begins at `start` ends. `hopeless`: none, and none that begins later either: all before the first
 * `*` matched, but what follows it is nowhere in the rest.
 */
function matchFrom(
  text: readonly string[],
  start: number,
  pattern: Wildcard,
  longest: boolean,
): { end: number | undefined; hopeless: boolean } {
  const star = pattern.findIndex((token) => 'any' in token && token.any === 'text');
  let states = closure(new Set([0]), pattern);
  let end = states.has(pattern.length) ? start : undefined;
  let passedStar = star >= 0 && states.has(star);
  for (let at = start; at < text.length && states.size > 0; at++) {
    if (end !== undefined && !longest) break;
    const next = new Set<number>();
    for (const state of states) {
      const token = pattern[state];
      if (token === undefined) continue;
      if ('literal' in token) {
        if (token.literal === text[at]) next.add(state + 1);
      } else next.add(token.any === 'text' ? state : state + 1);
    }
    states = closure(next, pattern);
    passedStar ||= star >= 0 && states.has(star);
    if (states.has(pattern.length)) end = at + 1;
  }
  return { end, hopeless: end === undefined && passedStar };
}

/** A `*` may match nothing. */
function closure(states: Set<number>, pattern: Wildcard): Set<number> {
  for (const state of states) {
    const token = pattern[state];
    if (token !== undefined && 'any' in token && token.any === 'text') states.add(state + 1);
  }
  return states;
}
