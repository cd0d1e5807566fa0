import type { Command, FlagTable } from '../../src/cli/command.ts';
import { NOUNS } from '../../src/cli/tree.ts';
import dockerFlags from './docker-cli-28.json' with { type: 'json' };
import { OPEN } from './open.ts';
import { SHOWN_EXEC, SHOWN_RUN, SHOWN_UPDATE, type Shown } from './shown.ts';

/** The commands of the table, and where each one's lines are. */
export const COMMANDS = ['run', 'create', 'update', 'exec'] as const;
export type FlagCommand = (typeof COMMANDS)[number];
const SHOWN: Readonly<Record<FlagCommand, Readonly<Record<string, Shown>>>> = {
  run: SHOWN_RUN,
  create: SHOWN_RUN,
  update: SHOWN_UPDATE,
  exec: SHOWN_EXEC,
};

/** A flag as `docker COMMAND --help` of version 28 shows it. */
export interface DockerFlag {
  readonly name: string;
  /** `-m, --memory bytes` */
  readonly title: string;
  readonly short: string | undefined;
}

/** One line of the table. */
export interface FlagRow extends DockerFlag {
  readonly command: FlagCommand;
  /** undefined: nothing shows it yet. */
  readonly shown: Shown | undefined;
  /** It is on the list of those that may be so. */
  readonly open: boolean;
}

/** Docker's flags of a command. `--help` is every command's and has tests of its own (src/cli/cli.test.ts). */
export function dockerFlagsOf(command: FlagCommand): DockerFlag[] {
  return dockerFlags[command].map(parseTitle).filter(({ name }) => name !== 'help');
}

function parseTitle(title: string): DockerFlag {
  const match = /^(?:-(\w), )?--([a-z0-9-]+)/.exec(title);
  if (!match) throw new Error(`docker-cli-28.json: not a flag: ${title}`);
  return { title, name: match[2]!, short: match[1] };
}

/** `create` is `run` without the session: it opens what `run` opens. */
const openKey = (command: FlagCommand, name: string) => `${command === 'create' ? 'run' : command} ${name}`;

/** All rows in the order of Docker's help. */
export function flagRows(): FlagRow[] {
  return COMMANDS.flatMap((command) =>
    dockerFlagsOf(command).map((flag) => ({
      ...flag,
      command,
      shown: SHOWN[command][flag.name],
      open: OPEN.includes(openKey(command, flag.name)),
    })),
  );
}

/** The flags that a command of Tare has. */
export async function tareFlags(command: FlagCommand): Promise<FlagTable> {
  const loaded: { command: Command } = await NOUNS.container!.verbs[command]!();
  return loaded.command.flags;
}

/** Lines that name a flag which Docker does not have, or one that is both shown and open. */
export function strayLines(): string[] {
  const faults: string[] = [];
  for (const command of ['run', 'update', 'exec'] as const) {
    const known = dockerFlagsOf(command).map(({ name }) => name);
    for (const name of Object.keys(SHOWN[command])) {
      if (!known.includes(name)) faults.push(`shown.ts: docker ${command} has no --${name}`);
      if (OPEN.includes(`${command} ${name}`)) {
        faults.push(`open.ts: ${command} ${name} is shown now: take it off the list`);
      }
    }
  }
  const keys = new Set(flagRows().map((row) => openKey(row.command, row.name)));
  for (const key of OPEN) if (!keys.has(key)) faults.push(`open.ts: docker has no ${key}`);
  return faults;
}
