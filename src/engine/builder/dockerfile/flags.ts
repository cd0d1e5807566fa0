import { DockerfileError } from './dockerfile-error.ts';
import type { Span, Statement } from './parse.ts';
import { unknownWord } from './unknown-word.ts';

type Flag = Statement['flags'][number];

/**
 * The `--name[=value]` words at the beginning of a statement's arguments, and what follows them. Quotes and escapes in
 * them are taken away. `--` alone ends them.
 */
export function leadingFlags(text: string, escapeChar: string): { flags: Flag[]; rest: string } {
  const flags: Flag[] = [];
  let rest = text.trimStart();
  while (rest.startsWith('--')) {
    const { word, length } = plainWord(rest, escapeChar);
    rest = rest.slice(length).trimStart();
    const body = word.slice(2);
    if (body === '') break;
    const equals = body.indexOf('=');
    flags.push(
      equals < 0
        ? { name: body, value: '', bare: true }
        : { name: body.slice(0, equals), value: body.slice(equals + 1), bare: false },
    );
  }
  return { flags, rest };
}

/** The first word of a text without its quotes, and how long it is with them. */
function plainWord(text: string, escapeChar: string): { word: string; length: number } {
  let word = '';
  let quote = '';
  let at = 0;
  for (; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote === '' && /\s/.test(char)) break;
    if (char === escapeChar && quote !== "'") {
      at++;
      word += text[at] ?? '';
    } else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else word += char;
  }
  return { word, length: Math.min(at, text.length) };
}

/** What kinds of flags an instruction has. */
type FlagKinds = Readonly<Record<string, 'text' | 'texts' | 'toggle'>>;

/** A statement's flags by name, as their kinds have them. */
export class Flags {
  readonly #values = new Map<string, string[]>();

  /** Throws `DockerfileError` for flags that do not exist, stand twice or have no value. */
  constructor({ flags, span }: Pick<Statement, 'flags' | 'span'>, kinds: FlagKinds) {
    for (const { name, value, bare } of flags) {
      const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
      if (kind === undefined) throw new DockerfileError(unknownWord('flag', name, Object.keys(kinds)), span);
      if (kind !== 'texts' && this.#values.has(name)) {
        throw new DockerfileError(`duplicate flag specified: ${name}`, span);
      }
      if (bare && kind !== 'toggle') throw new DockerfileError(`missing a value on flag: ${name}`, span);
      if (kind === 'toggle' && !bare && toggled(value) === undefined) {
        throw new DockerfileError(
          `expecting boolean value for flag ${name}, not: ${value}: write true or false`,
          span,
        );
      }
      this.#values.set(name, [...(this.#values.get(name) ?? []), bare ? 'true' : value]);
    }
  }

  /** Empty: not given. */
  text(name: string): string {
    return this.#values.get(name)?.[0] ?? '';
  }

  texts(name: string): string[] {
    return this.#values.get(name) ?? [];
  }

  /** Undefined: not given. */
  toggle(name: string): boolean | undefined {
    const value = this.#values.get(name)?.[0];
    return value === undefined ? undefined : toggled(value);
  }
}

const toggled = (value: string): boolean | undefined =>
  value.toLowerCase() === 'true' ? true : value.toLowerCase() === 'false' ? false : undefined;

/** No flag at all. */
export function refuseFlags(statement: Pick<Statement, 'flags' | 'span'>): void {
  new Flags(statement, {});
}

/** What `span` says of an error that knows no line. */
export function atSpan<T>(span: Span, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof DockerfileError || !(error instanceof Error)) throw error;
    throw new DockerfileError(error.message, span);
  }
}
