/**
 * Splits a Go template into tokens. The language is that of Go's package text/template:
 * text outside of `{{` and `}}`, and inside words, fields, variables, literals, pipes and parentheses.
 */
export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'identifier'
  | 'field'
  | 'variable'
  | 'string'
  | 'char'
  | 'number'
  | 'bool'
  | 'nil'
  | 'dot'
  | 'keyword'
  | 'pipe'
  | 'comma'
  | 'left'
  | 'right'
  | 'declare'
  | 'assign'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset in the template. */
  readonly at: number;
}

/** The template is not valid; `message` is Go's, beginning with `template: :LINE: `. */
export class TemplateSyntaxError extends Error {}

/** An error at an offset, in Go's words. */
export function syntaxError(source: string, at: number, reason: string): TemplateSyntaxError {
  const line = source.slice(0, at).split('\n').length;
  return new TemplateSyntaxError(`template: :${line}: ${reason}`);
}

const KEYWORDS = new Set([
  'if',
  'else',
  'end',
  'range',
  'with',
  'define',
  'template',
  'block',
  'break',
  'continue',
]);

const PATTERNS: ReadonlyArray<readonly [TokenKind, RegExp]> = [
  // The space of a ` -}}` belongs to the end of the action.
  ['space', /(?:[ \t\r\n](?!-\}\}))+/y],
  ['field', /\.[\p{L}_][\p{L}\p{Nd}_]*/uy],
  [
    'number',
    /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y,
  ],
  ['dot', /\./y],
  ['variable', /\$[\p{L}\p{Nd}_]*/uy],
  ['identifier', /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ['string', /"(?:[^"\\\n]|\\.)*"/y],
  ['string', /`[^`]*`/y],
  ['char', /'(?:[^'\\\n]|\\.)+'/y],
  ['declare', /:=/y],
  ['assign', /=/y],
  ['pipe', /\|/y],
  ['comma', /,/y],
  ['left', /\(/y],
  ['right', /\)/y],
];

function classify(kind: TokenKind, text: string): TokenKind {
  if (kind !== 'identifier') return kind;
  if (KEYWORDS.has(text)) return 'keyword';
  if (text === 'true' || text === 'false') return 'bool';
  return text === 'nil' ? 'nil' : 'identifier';
}

/** Reads the inside of one action, from `start` to its `}}`; returns the offset behind it. */
function lexAction(source: string, start: number, tokens: Token[]): { next: number; trimRight: boolean } {
  let at = start;
  let depth = 0;
  for (;;) {
    const trimmed = /\s-\}\}/y;
    trimmed.lastIndex = at;
    const trimRight = trimmed.test(source);
    if (trimRight || source.startsWith('}}', at)) {
      if (depth > 0) throw syntaxError(source, at, 'unclosed left paren');
      tokens.push({ kind: 'close', text: '}}', at });
      return { next: at + (trimRight ? 4 : 2), trimRight };
    }
    if (at >= source.length) throw syntaxError(source, start, 'unclosed action');
    let matched = false;
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = at;
      const text = pattern.exec(source)?.[0];
      if (text === undefined) continue;
      if (kind === 'left') depth++;
      if (kind === 'right' && --depth < 0) throw syntaxError(source, at, 'unexpected right paren');
      tokens.push({ kind: classify(kind, text), text, at });
      at += text.length;
      matched = true;
      break;
    }
    if (!matched) throw unexpectedCharacter(source, at);
  }
}

function unexpectedCharacter(source: string, at: number): TemplateSyntaxError {
  const character = String.fromCodePoint(source.codePointAt(at)!);
  if (character === '"') return syntaxError(source, at, 'unterminated quoted string');
  if (character === '`') return syntaxError(source, at, 'unterminated raw quoted string');
  if (character === "'") return syntaxError(source, at, 'unterminated character constant');
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  return syntaxError(source, at, `unrecognized character in action: U+${code} '${character}'`);
}

/** Splits `source` into tokens; the last is `end`. Comments give none. */
export function lex(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimLeft = false;
  for (;;) {
    const open = source.indexOf('{{', at);
    let text = open < 0 ? source.slice(at) : source.slice(at, open);
    if (trimLeft) text = text.trimStart();
    const trimsBefore = open >= 0 && /^\{\{-\s/.test(source.slice(open, open + 4));
    if (trimsBefore) text = text.trimEnd();
    if (text !== '') tokens.push({ kind: 'text', text, at });
    if (open < 0) break;
    const inside = open + (trimsBefore ? 3 : 2);
    const comment = /\s*\/\*[\s\S]*?\*\/(\s-)?\}\}/y;
    comment.lastIndex = inside;
    const match = comment.exec(source);
    if (match !== null) {
      at = comment.lastIndex;
      trimLeft = match[1] !== undefined;
      continue;
    }
    tokens.push({ kind: 'open', text: '{{', at: open });
    const action = lexAction(source, inside, tokens);
    at = action.next;
    trimLeft = action.trimRight;
  }
  tokens.push({ kind: 'end', text: '', at: source.length });
  return tokens;
}
