import { boundedTest } from './bounded-test.ts';
import { cleanPath } from './go-paths.ts';

/**
 * The patterns of `.dockerignore` files, by the rules of moby/patternmatcher: one list, the last pattern that matches
 * decides, `!` makes an exception, and what matches a directory matches everything below it. `*` and `?` stop at
 * slashes, `**` does not. Pure text; paths are relative, with slashes, without a leading one.
 *
 *     const patterns = PathPatterns.parse(['*', '!src/**']);
 *     const src = patterns.match('src');              // src.matched: true, it stays out itself
 *     patterns.match('src/a.c', src).matched;         // false: an exception
 */

/** A pattern or an exception that cannot be read; `message` is Docker's. */
export class PatternError extends Error {}

/** What is known of a path: whether the list matches it, and which patterns did, for the paths below it. */
export interface PathMatch {
  readonly matched: boolean;
  /** By pattern. */
  readonly by: readonly boolean[];
}

interface Pattern {
  readonly text: string;
  readonly exception: boolean;
  readonly test: (path: string) => boolean;
}

export class PathPatterns {
  readonly #patterns: readonly Pattern[];
  readonly #exceptions: readonly string[];

  private constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    this.#exceptions = patterns.filter((one) => one.exception).map((one) => one.text);
  }

  /** @throws PatternError for a pattern that is malformed. */
  static parse(lines: readonly string[]): PathPatterns {
    const patterns: Pattern[] = [];
    for (const line of lines) {
      const trimmed = line.trim();
      if (trimmed === '') continue;
      const cleaned = cleanPath(trimmed);
      const exception = cleaned.startsWith('!');
      if (cleaned === '!') throw new PatternError('illegal exclusion pattern: "!"');
      const text = exception ? cleaned.slice(1) : cleaned;
      if (!isWellFormed(text)) throw malformed();
      patterns.push({ text, exception, test: compile(text) });
    }
    return new PathPatterns(patterns);
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  get hasExceptions(): boolean {
    return this.#exceptions.length > 0;
  }

  /**
   * Matches a path by what is known of the directory that holds it; without that its directories are matched first.
   * Patterns that could not change the outcome are not tried, and then are not known to match what is below either:
   * Docker's walk over a context does so, and which files are sent depends on it.
   */
  match(path: string, parent: PathMatch | undefined = this.#parentMatch(path)): PathMatch {
    let matched = false;
    const by = this.#patterns.map((pattern, index) => {
      const inherited = parent?.by[index] === true;
      if (!inherited && pattern.exception !== matched) return false;
      const hit = inherited || pattern.test(path);
      if (hit) matched = !pattern.exception;
      return hit;
    });
    return { matched, by };
  }

  #parentMatch(path: string): PathMatch | undefined {
    const slash = path.lastIndexOf('/');
    return slash <= 0 ? undefined : this.match(path.slice(0, slash));
  }

  /** True when an exception could apply to something below a directory that the list matches. */
  mayExceptBelow(directory: string): boolean {
    const inside = `${directory}/`;
    return this.#exceptions.some((text) => {
      const fixed = fixedPrefix(text);
      return (
        `${text}/`.startsWith(inside) ||
        (fixed !== text && inside.startsWith(fixed)) ||
        fixed.startsWith(inside)
      );
    });
  }
}

/** The start of a pattern before its first special character. */
function fixedPrefix(text: string): string {
  const special = text.search(/[*?[\\]/);
  return special < 0 ? text : text.slice(0, special);
}

/** What Go's `filepath.Match` accepts: classes are closed and not empty, nothing ends in a backslash. */
function isWellFormed(pattern: string): boolean {
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === '\\') {
      if (++at >= pattern.length) return false;
    } else if (pattern[at] === '[') {
      const end = classEnd(pattern, at + 1);
      if (end === undefined) return false;
      at = end;
    }
  }
  return true;
}

/** The index of the bracket that closes a class whose members begin at `start`. */
function classEnd(pattern: string, start: number): number | undefined {
  let at = pattern[start] === '^' ? start + 1 : start;
  for (let members = 0; at < pattern.length; members++) {
    if (pattern[at] === ']' && members > 0) return at;
    const first = classMember(pattern, at);
    if (first === undefined) return undefined;
    at = first;
    if (pattern[at] !== '-') continue;
    const last = classMember(pattern, at + 1);
    if (last === undefined) return undefined;
    at = last;
  }
  return undefined;
}

/** The index after one character of a class; undefined when none may stand there. */
function classMember(pattern: string, at: number): number | undefined {
  const character = pattern[at];
  if (character === undefined || character === '-' || character === ']') return undefined;
  if (character === '\\') return at + 1 < pattern.length ? at + 2 : undefined;
  return at + 1;
}

const malformed = (): PatternError => new PatternError('syntax error in pattern');

/** Characters that mean something to a regular expression and nothing to a pattern. */
const QUOTED = '.+()|{}$';
/** After a backslash these are classes of characters, since Docker hands them on to its regular expressions; other
 * letters are errors to those. */
const CLASSES = 'dDsSwW';

/**
 * A pattern as a test. The regular expression is built as Docker builds it, without looking at brackets, which shows
 * in corners (`[*]` is no literal star). What has no wildcard is compared as text, also its `^`.
 */
function compile(pattern: string): (path: string) => boolean {
  let kind: 'exact' | 'prefix' | 'suffix' | 'expression' = 'exact';
  let source = '^';
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    const isFirst = at === 0;
    if (character === '*' && characters[at + 1] === '*') {
      at += characters[at + 2] === '/' ? 2 : 1;
      const isLast = at === characters.length - 1;
      source += isLast ? '[^\\n]*' : '(?:[^\\n]*/)?';
      kind = isFirst ? 'suffix' : isLast && kind === 'exact' ? 'prefix' : 'expression';
    } else if (character === '*' || character === '?') {
      source += character === '*' ? '[^/]*' : '[^/]';
      kind = 'expression';
    } else if (character === '\\' && at + 1 < characters.length) {
      const next = characters[++at]!;
      if (/[\p{L}\p{N}]/u.test(next) && !CLASSES.includes(next)) throw malformed();
      source += `\\${next}`;
      kind = 'expression';
    } else if (character === '[' || character === ']') {
      source += character;
      kind = 'expression';
    } else {
      source += QUOTED.includes(character) ? `\\${character}` : character;
    }
  }
  if (kind === 'exact') return (path) => path === pattern;
  if (kind === 'prefix') {
    const prefix = pattern.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  if (kind === 'suffix') {
    const suffix = pattern.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
  }
  return testOf(`${source}$`, characters.filter((character) => character === '*').length);
}

function testOf(source: string, wildcards: number): (path: string) => boolean {
  // With `u` a wildcard takes whole characters; without it brackets in odd places are let pass, as Go does.
  for (const flags of ['u', ''] as const) {
    try {
      return boundedTest(source, wildcards, flags);
    } catch {}
  }
  // Such as [z-a], which filepath.Match lets pass.
  throw malformed();
}
