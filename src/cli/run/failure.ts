import { NoDaemonError } from '../client/client.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure, describeError } from '../failure.ts';
import { PROGRAM } from '../program.ts';

/** Exit code of a failure of the daemon or of a flag, before the container's command ran. */
export const EXIT_FAILED = 125;

/** The exit code that says why a container's command could not be started, as a shell would. */
function startCode(message: string): number {
  if (
    /executable file not found|no such file or directory|system cannot find the file specified/.test(message)
  ) {
    return 127;
  }
  return /permission denied|is a directory/i.test(message) ? 126 : EXIT_FAILED;
}

/** A failure of `run` in docker's shape, before anything was started. */
export function runFailure(context: CommandContext, error: unknown): CommandFailure {
  if (error instanceof CommandFailure && error.message === '') return error;
  const hint = error instanceof NoDaemonError ? '' : `\n\nRun '${context.title} --help' for more information`;
  return new CommandFailure(`${PROGRAM}: ${describeError(error)}${hint}`, EXIT_FAILED);
}

/** A failure of `run` at the start of the container. */
export function startFailure(context: CommandContext, error: unknown): CommandFailure {
  const text = describeError(error);
  const hint = `\n\nRun '${context.title} --help' for more information`;
  return new CommandFailure(`${PROGRAM}: ${text}${hint}`, startCode(text));
}
