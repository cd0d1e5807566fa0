import { DaemonError, NoDaemonError } from './client/client.ts';

/** A failure whose message is printed as it is; an empty one prints nothing. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What is printed for an error, in docker's shape. */
export function describeError(error: unknown): string {
  if (error instanceof DaemonError) return `Error response from daemon: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

/** Runs `body` for each of `items`, goes on after errors, and fails at the end with all their messages. */
export async function forEachItem<T>(
  items: readonly T[],
  body: (item: T) => Promise<void>,
  summary?: (failed: readonly T[]) => string,
): Promise<void> {
  const problems: string[] = [];
  const failed: T[] = [];
  for (const item of items) {
    try {
      await body(item);
    } catch (error) {
      if (error instanceof NoDaemonError) throw error;
      problems.push(describeError(error));
      failed.push(item);
    }
  }
  if (summary !== undefined && failed.length > 0) problems.push(summary(failed));
  if (problems.length > 0) throw new CommandFailure(problems.join('\n'));
}
