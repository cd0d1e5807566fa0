/**
 * Flags as data. A kind says how a value is written and read; a flag is a kind with a name and a help text.
 * The rules are those of pflag, which docker's client uses, since people's scripts depend on them.
 */

/** How the text after a flag becomes a value. */
export interface FlagKind<T> {
  /** Shown in help after the flag's name; empty for switches. */
  readonly typeName: string;
  readonly initial: T;
  /** Text of `(default …)` in help; none when absent. */
  readonly defaultText?: string;
  /** The text used when the flag stands alone; only kinds with it may stand alone. */
  readonly implied?: string;
  /**
   * Reads one occurrence; `previous` is the value so far.
   * @throws Error whose message ends the line `invalid argument "x" for "--flag" flag: …`.
   */
  parse(raw: string, previous: T): T;
}

/** A flag of a command. Its long name is its key in the command's table. */
export interface FlagSpec<T> {
  readonly kind: FlagKind<T>;
  /** One letter. */
  readonly short?: string;
  readonly help: string;
  /** Works, but help and completion don't show it. */
  readonly hidden?: true;
  /** Warned about on use: what to do instead. */
  readonly deprecated?: string;
  /** Overrides the kind's `(default …)` text in help; an empty text hides it. */
  readonly defaultText?: string;
  /** Values that completion offers. */
  readonly choices?: readonly string[];
  /** The value belongs to the flag of this long name: `--net` is `--network`. */
  readonly aliasOf?: string;
}

type FlagOptions = Omit<FlagSpec<unknown>, 'kind'>;

/** A flag of a kind. */
export function flag<T>(kind: FlagKind<T>, options: FlagOptions): FlagSpec<T> {
  return { kind, ...options };
}

/** The same kind with another value for when the flag is absent. */
export function withInitial<T>(kind: FlagKind<T>, initial: T, defaultText?: string): FlagKind<T> {
  return { ...kind, initial, ...(defaultText === undefined ? {} : { defaultText }) };
}

/** The same kind, undefined when the flag is absent, for requests that tell absent from empty. */
export function optional<T>(kind: FlagKind<T>): FlagKind<T | undefined> {
  const { defaultText: _, ...rest } = kind;
  return {
    ...rest,
    initial: undefined,
    parse: (raw, previous) => kind.parse(raw, previous ?? kind.initial),
  };
}
