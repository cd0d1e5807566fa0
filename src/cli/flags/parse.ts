import type { Command, FlagTable } from '../command.ts';
import type { FlagSpec } from './flag.ts';

/** What a command line holds: a value for every flag of the table, and the positional arguments. */
export interface ParsedLine {
  readonly values: Record<string, unknown>;
  readonly args: string[];
  readonly help: boolean;
  /** Texts for stderr about flags that go out of use. */
  readonly warnings: string[];
}

/** A wrong flag, in pflag's words; the dispatcher adds the usage line. */
export class FlagError extends Error {
  /** The unknown flag without dashes, for a suggestion. */
  readonly unknown: string | undefined;

  constructor(message: string, unknown?: string) {
    super(message);
    this.unknown = unknown;
  }
}

/** How a flag is named in an error: `-p, --publish`. */
function flagTitle(name: string, spec: FlagSpec<unknown>): string {
  return spec.short === undefined ? `--${name}` : `-${spec.short}, --${name}`;
}

class Parser {
  readonly values: Record<string, unknown> = {};
  readonly args: string[] = [];
  readonly warnings: string[] = [];
  help = false;
  readonly #flags: FlagTable;
  readonly #shorts = new Map<string, string>();

  constructor(flags: FlagTable) {
    this.#flags = flags;
    for (const name in flags) {
      const spec = flags[name]!;
      if (spec.aliasOf === undefined) this.values[name] = spec.kind.initial;
      if (spec.short !== undefined) this.#shorts.set(spec.short, name);
    }
  }

  #set(name: string, raw: string): void {
    const spec = this.#flags[name]!;
    const target = spec.aliasOf ?? name;
    try {
      this.values[target] = spec.kind.parse(raw, this.values[target]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new FlagError(
        `invalid argument ${JSON.stringify(raw)} for "${flagTitle(name, spec)}" flag: ${reason}`,
      );
    }
    if (spec.deprecated !== undefined) {
      this.warnings.push(`Flag --${name} has been deprecated, ${spec.deprecated}`);
    }
  }

  /** Reads `--name`, `--name=value` or `--name value`; returns how many further arguments it took. */
  #long(text: string, next: string | undefined): number {
    const body = text.slice(2);
    if (body.startsWith('-') || body.startsWith('=')) throw new FlagError(`bad flag syntax: ${text}`);
    const equals = body.indexOf('=');
    const name = equals < 0 ? body : body.slice(0, equals);
    const spec = Object.hasOwn(this.#flags, name) ? this.#flags[name] : undefined;
    if (spec === undefined) {
      if (name === 'help') {
        this.help = true;
        return 0;
      }
      throw new FlagError(`unknown flag: --${name}`, name);
    }
    if (equals >= 0) this.#set(name, body.slice(equals + 1));
    else if (spec.kind.implied !== undefined) this.#set(name, spec.kind.implied);
    else if (next === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    else {
      this.#set(name, next);
      return 1;
    }
    return 0;
  }

  /** Reads `-abc`, `-p80:80`, `-p=80:80` or `-p 80:80`; returns how many further arguments it took. */
  #short(text: string, next: string | undefined): number {
    for (let index = 1; index < text.length; index++) {
      const letter = text[index]!;
      const name = this.#shorts.get(letter);
      if (name === undefined) {
        if (letter === 'h') {
          this.help = true;
          return 0;
        }
        throw new FlagError(`unknown shorthand flag: '${letter}' in -${text.slice(index)}`);
      }
      const rest = text.slice(index + 1);
      const implied = this.#flags[name]!.kind.implied;
      if (rest.startsWith('=') && rest.length > 1) {
        this.#set(name, rest.slice(1));
        return 0;
      }
      if (implied !== undefined) {
        this.#set(name, implied);
        continue;
      }
      if (rest !== '') {
        this.#set(name, rest);
        return 0;
      }
      if (next === undefined)
        throw new FlagError(`flag needs an argument: '${letter}' in -${text.slice(index)}`);
      this.#set(name, next);
      return 1;
    }
    return 0;
  }

  parse(line: readonly string[], interspersed: boolean): void {
    for (let index = 0; index < line.length; index++) {
      const text = line[index]!;
      if (text === '--') {
        this.args.push(...line.slice(index + 1));
        return;
      }
      if (text.length > 1 && text.startsWith('-')) {
        index += text.startsWith('--')
          ? this.#long(text, line[index + 1])
          : this.#short(text, line[index + 1]);
        if (this.help) return;
      } else if (interspersed) {
        this.args.push(text);
      } else {
        this.args.push(...line.slice(index));
        return;
      }
    }
  }
}

/**
 * Parses a command line as pflag does. `interspersed` false ends the options at the first positional argument.
 * @throws FlagError in pflag's words.
 */
export function parseLine(flags: FlagTable, line: readonly string[], interspersed: boolean): ParsedLine {
  const parser = new Parser(flags);
  parser.parse(line, interspersed);
  return parser;
}

/**
 * Checks the number of positional arguments.
 * @returns docker's words, or undefined when the number is right.
 */
export function argCountProblem(
  command: Pick<Command, 'args'>,
  title: string,
  count: number,
): string | undefined {
  const { min, max } = command.args;
  const plural = (n: number) => (n === 1 ? 'argument' : 'arguments');
  if (max === 0 && count > 0) return `'${title}' accepts no arguments`;
  if (min === max && count !== min) return `'${title}' requires ${min} ${plural(min)}`;
  if (max !== undefined && min === 0 && count > max)
    return `'${title}' requires at most ${max} ${plural(max)}`;
  if (max !== undefined && (count < min || count > max)) {
    return `'${title}' requires at least ${min} and at most ${max} ${plural(max)}`;
  }
  if (count < min) return `'${title}' requires at least ${min} ${plural(min)}`;
  return undefined;
}
