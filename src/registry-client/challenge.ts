/** One entry of a WWW-Authenticate header (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[0-9A-Za-z._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const PARAMETER = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
const SEPARATORS = /[ \t,]*/y;
const SPACES = /[ \t]*/y;
/** Longer headers are cut: nobody needs them. */
const HEADER_LIMIT = 16_384;

/**
 * Parses a WWW-Authenticate header, which may hold several challenges, each with comma-separated parameters.
 * What cannot be understood ends the parsing: what came before it counts.
 */
export function parseChallenges(header: string | null): Challenge[] {
  const text = (header ?? '').slice(0, HEADER_LIMIT);
  const challenges: Challenge[] = [];
  let at = skip(SEPARATORS, text, 0);
  while (at < text.length) {
    const scheme = match(TOKEN, text, at);
    if (scheme === undefined) break;
    at = skip(SPACES, text, at + scheme[0].length);
    const { parameters, end } = readParameters(text, at);
    challenges.push({ scheme: scheme[0].toLowerCase(), parameters });
    at = end;
  }
  return challenges;
}

/** Reads parameters until one is missing: then the next challenge starts. */
function readParameters(text: string, start: number): { parameters: Record<string, string>; end: number } {
  const parameters: Record<string, string> = {};
  const token68 = match(TOKEN68, text, start);
  let at = start + (token68?.[0].length ?? 0);
  while (token68 === undefined) {
    const found = match(PARAMETER, text, at);
    if (found === undefined) break;
    const [all, name = '', quoted, plain = ''] = found;
    parameters[name.toLowerCase()] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
    at = skip(SEPARATORS, text, at + all.length);
  }
  return { parameters, end: skip(SEPARATORS, text, at) };
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function skip(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at)?.[0].length ?? 0);
}
