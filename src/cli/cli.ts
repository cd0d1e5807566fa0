import { buildVersion } from '../base/build-version.ts';
import type { RegistryServer } from '../wire/registry-settings.ts';
import { EngineClient, NoDaemonError } from './client/client.ts';
import { chooseEndpoint } from './client/endpoint.ts';
import type { Command, FlagTable, FlagValues } from './command.ts';
import { type Console, processConsole } from './console.ts';
import { CommandFailure, describeError } from './failure.ts';
import { argCountProblem, FlagError, type ParsedLine, parseLine } from './flags/parse.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { PROGRAM } from './program.ts';
import { type CommandLoader, namesOf, route } from './tree.ts';

/** Exit code of a flag that does not parse. */
const EXIT_FLAG = 125;

type Globals = FlagValues<typeof GLOBAL_FLAGS>;

export interface CliOptions {
  /** Loads the registry server for `tare registry`. */
  readonly registryServer?: () => Promise<RegistryServer>;
  readonly console?: Console;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A line of words for one program run; prints everything and returns the exit code. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<number> {
  const console = options.console ?? processConsole;
  const environment = options.environment ?? process.env;
  let line: ParsedLine;
  try {
    line = parseLine(GLOBAL_FLAGS, argv, false);
  } catch (error) {
    return await refuseFlag(console, error, PROGRAM, { usage: '[OPTIONS] COMMAND' }, GLOBAL_FLAGS);
  }
  const globals = line.values as Globals;
  if (globals.version) {
    const { version, commit } = buildVersion();
    console.out(`Tare version ${version}, build ${commit}\n`);
    return 0;
  }
  const [first, second] = line.args;
  if (line.help || first === undefined || (first === 'help' && second === undefined)) {
    const { topHelp } = await import('./top-help.ts');
    console.out(await topHelp());
    return 0;
  }
  if (first === '__complete') return await completeWords(console, environment, globals, line.args.slice(1));
  if (first === 'help') return runCli([...line.args.slice(1), '--help'], options);
  const found = route(first, second);
  if (found.kind === 'unknown') return await unknownCommand(console, found.name, found.noun);
  if (found.kind === 'noun') {
    const rest = line.args.slice(1);
    if (rest.length > 0 && !rest.every((word) => word === '--help' || word === '-h')) {
      const problem = new FlagError(`unknown flag: ${rest[0]}`);
      return await refuseFlag(console, problem, `${PROGRAM} ${first}`, { usage: 'COMMAND' }, {});
    }
    const { nounHelpText } = await import('./top-help.ts');
    console.out(await nounHelpText(found.name));
    return 0;
  }
  const title = [PROGRAM, ...line.args.slice(0, found.words)].join(' ');
  return await runCommand(
    {
      console,
      environment,
      globals,
      title,
      load: found.load,
      path: found.path,
      registryServer: options.registryServer,
    },
    line.args.slice(found.words),
  );
}

/** What the shells' completion scripts call; the last word is the one being typed. */
async function completeWords(
  console: Console,
  environment: Readonly<Record<string, string | undefined>>,
  globals: Globals,
  words: readonly string[],
): Promise<number> {
  const { complete } = await import('./completion/complete.ts');
  const client = new EngineClient({ endpoint: chooseEndpoint(globals.host, environment) });
  const current = words.at(-1) ?? '';
  const { words: found, files } = await complete(client, words.slice(0, -1), current);
  const fitting = found.filter((word) => word.startsWith(current));
  console.out(files ? ':files\n' : fitting.map((word) => `${word}\n`).join(''));
  return 0;
}

interface Invocation {
  readonly console: Console;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly globals: Globals;
  readonly title: string;
  readonly load: CommandLoader;
  readonly path: string;
  readonly registryServer: (() => Promise<RegistryServer>) | undefined;
}

async function runCommand(invocation: Invocation, words: readonly string[]): Promise<number> {
  const { console, title } = invocation;
  const { command } = await invocation.load();
  let line: ParsedLine;
  try {
    line = parseLine(command.flags, words, command.interspersed ?? true);
  } catch (error) {
    return await refuseFlag(console, error, title, command, command.flags);
  }
  if (line.help) {
    const { commandHelp } = await import('./help.ts');
    console.out(commandHelp(title, command, namesOf(invocation.path, PROGRAM), terminalWidth()));
    return 0;
  }
  for (const warning of line.warnings) console.err(`${warning}\n`);
  const problem = argCountProblem(command, title, line.args.length);
  if (problem !== undefined) {
    const verb = problem.includes('at least') && command.args.max === undefined ? 'See' : 'Run';
    console.err(
      `${PROGRAM}: ${problem}\n\nUsage:  ${title} ${command.usage}\n\n${verb} '${title} --help' for more information\n`,
    );
    return 1;
  }
  try {
    return await execute(invocation, command, line);
  } catch (error) {
    if (invocation.globals.debug && error instanceof Error && error.stack) console.err(`${error.stack}\n`);
    const text = describeError(error);
    if (text !== '') console.err(`${text}\n`);
    return error instanceof CommandFailure ? error.exitCode : 1;
  }
}

function execute(invocation: Invocation, command: Command, line: ParsedLine): Promise<number> {
  const { console, environment, globals, title, registryServer } = invocation;
  const endpoint = chooseEndpoint(globals.host, environment);
  const mayStart = endpoint.isDefault && command.offline !== true && command.startsDaemon !== false;
  const client = new EngineClient({
    endpoint,
    pinnedVersion: environment.DOCKER_API_VERSION,
    startDaemon:
      mayStart && process.getuid?.() === 0 ? () => startDaemon(endpoint.socketPath, console) : undefined,
  });
  const configDir = globals.config || environment.DOCKER_CONFIG || `${environment.HOME ?? ''}/.docker`;
  return command.run(
    { client, console, environment, title, configDir, registryServer },
    line.values,
    line.args,
  );
}

async function startDaemon(socketPath: string, console: Console): Promise<boolean> {
  const { startDaemonInBackground } = await import('./client/start-daemon.ts');
  const problem = await startDaemonInBackground(socketPath, (text) => console.err(text));
  if (problem !== undefined) throw new NoDaemonError(problem);
  return true;
}

/** Width of the terminal behind stdout, 80 when there is none. */
function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns || 80 : 80;
}

async function refuseFlag(
  console: Console,
  error: unknown,
  title: string,
  command: Pick<Command, 'usage'>,
  flags: FlagTable,
): Promise<number> {
  if (!(error instanceof FlagError)) throw error;
  let hint = '';
  if (error.unknown !== undefined) {
    const { suggestions } = await import('../base/edit-distance.ts');
    const names = Object.keys(flags).filter((name) => !flags[name]!.hidden);
    const near = suggestions(error.unknown, names);
    if (near.length > 0) hint = `\nDid you mean ${near.map((name) => `--${name}`).join(' or ')}?\n`;
  }
  console.err(
    `${error.message}\n${hint}\nUsage:  ${title} ${command.usage}\n\nRun '${title} --help' for more information\n`,
  );
  return EXIT_FLAG;
}

async function unknownCommand(console: Console, name: string, noun: string | undefined): Promise<number> {
  const { NOUNS, topNames } = await import('./tree.ts');
  const { suggestions } = await import('../base/edit-distance.ts');
  const title = noun === undefined ? PROGRAM : `${PROGRAM} ${noun}`;
  const verbs =
    noun === undefined
      ? topNames()
      : [...Object.keys(NOUNS[noun]!.verbs), ...Object.keys(NOUNS[noun]!.aliases)];
  const near = suggestions(name, verbs);
  const hint =
    near.length === 0 ? '' : `\nDid you mean this?\n${near.map((verb) => `\t${title} ${verb}\n`).join('')}`;
  const usage = noun === undefined ? '' : `\nUsage:  ${title} COMMAND\n`;
  console.err(
    `${PROGRAM}: unknown command: ${title} ${name}\n${hint}${usage}\nRun '${title} --help' for more information\n`,
  );
  return 1;
}
