/**
 * The contract of the command line: a command is data. Help, shell completion and `docs/cli` are computed from
 * it, and the parser reads its flags.
 *
 * A command lives in one file, `commands/<noun>/<verb>.ts`, which nothing imports statically: `tree.ts` knows
 * the names and loads the file when the command is called, so a start pays for one command only.
 *
 *     export const command = defineCommand({
 *       name: 'stop',
 *       summary: 'Stop one or more running containers',
 *       usage: '[OPTIONS] CONTAINER [CONTAINER...]',
 *       args: { min: 1 },
 *       flags: { signal: flag(text, { short: 's', help: 'Signal to send to the container' }) },
 *       async run(context, flags, args) { ... return 0; },
 *     });
 */
import type { CommandContext } from './context.ts';
import type { FlagSpec } from './flags/flag.ts';

/** How many positional arguments a command takes; no `max` means any number. */
export interface ArgCount {
  readonly min: number;
  readonly max?: number;
}

/** What kind of name a positional argument is; shell completion asks the daemon for these. */
export type ArgCompletion =
  | 'container'
  | 'running-container'
  | 'image'
  | 'volume'
  | 'network'
  | 'file'
  | 'none';

/** Flags by their long name. */
export type FlagTable = Readonly<Record<string, FlagSpec<unknown>>>;

/** The values of a table of flags after parsing. */
export type FlagValues<F extends FlagTable> = {
  readonly [K in keyof F]: F[K] extends FlagSpec<infer T> ? T : never;
};

/** What a command's author writes; see the head of this file. */
export interface CommandDefinition<F extends FlagTable> {
  /** The verb under its noun (`ls`), or the whole name of a command without a noun. */
  readonly name: string;
  readonly summary: string;
  /** A longer text for help and docs, shown below the summary. */
  readonly description?: string;
  /** What follows the command's name on the usage line. */
  readonly usage: string;
  readonly args: ArgCount;
  readonly flags: F;
  /** False: options end at the first positional argument, the rest belongs to the container's command. */
  readonly interspersed?: false;
  /** True when the command never talks to the daemon. */
  readonly offline?: true;
  /** False: never starts a daemon when none answers. */
  readonly startsDaemon?: false;
  /** What the arguments name, for shell completion. */
  readonly completes?: ArgCompletion;
  run(context: CommandContext, flags: FlagValues<F>, args: readonly string[]): Promise<number>;
}

/** A command whose flag types are forgotten: what help, completion and the dispatcher work with. */
export interface Command extends Omit<CommandDefinition<FlagTable>, 'run'> {
  run(
    context: CommandContext,
    flags: Readonly<Record<string, unknown>>,
    args: readonly string[],
  ): Promise<number>;
}

/** Checks a command's types and forgets them. */
export function defineCommand<const F extends FlagTable>(definition: CommandDefinition<F>): Command {
  return {
    ...definition,
    // The parser fills exactly the flags of this table with values of their kinds, see flags/parse.ts.
    run: (context, flags, args) => definition.run(context, flags as FlagValues<F>, args),
  };
}
