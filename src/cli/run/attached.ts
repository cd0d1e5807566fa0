import type { ContainerWaitResponse } from '../../wire/containers.ts';
import { olderVersion, readText } from '../client/client.ts';
import { containerPath } from '../commands/each.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { PROGRAM } from '../program.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { terminalSize, watchSize } from '../terminal/terminal.ts';
import { EXIT_FAILED } from './failure.ts';

/**
 * Registers for a container's end. Called before its start, so that no end is missed; resolves when the daemon has
 * taken the request.
 */
export async function registerWait(
  context: CommandContext,
  id: string,
  removed: boolean,
): Promise<{ readonly exitCode: Promise<number> }> {
  const condition = removed ? 'removed' : 'next-exit';
  const response = await context.client.request('POST', containerPath(id, '/wait'), { query: { condition } });
  const exitCode = readText(response).then((text) => {
    if (text.trim() === '') {
      throw new CommandFailure(
        `lost the connection to the daemon; the container may go on running (see: ${PROGRAM} ps)`,
        EXIT_FAILED,
      );
    }
    const result = JSON.parse(text) as ContainerWaitResponse;
    const problem = result.Error?.Message;
    if (problem) throw new CommandFailure(`Error waiting for container: ${problem}`, EXIT_FAILED);
    return result.StatusCode;
  });
  // Nobody may be listening yet when the daemon goes away; the failure is reported where it is awaited.
  exitCode.catch(() => {});
  return { exitCode };
}

/** So many of SIGINT and SIGTERM mean that a person wants out, whatever the container does with them. */
const PATIENCE = 3;

/** Passes the program's signals on to a container; returns what ends that. */
export function proxySignals(context: CommandContext, id: string): () => void {
  let urgent = 0;
  return forwardSignals((signal) => {
    if (signal === 'INT' || signal === 'TERM') urgent++;
    if (urgent >= PATIENCE) {
      context.console.err(
        `\ngot ${PATIENCE} SIGTERM/SIGINTs, forcefully exiting; the container goes on running\n`,
      );
      process.exit(1);
    }
    context.client.send('POST', containerPath(id, '/kill'), { query: { signal } }).catch(() => {
      // The container has just ended: its exit code follows.
    });
  });
}

/**
 * Keeps the size of a container's or exec's terminal that of ours; returns what ends that.
 * @param path where its `/resize` lies
 */
export function followSize(context: CommandContext, path: string): () => void {
  return watchSize(({ height, width }) => {
    context.client.send('POST', `${path}/resize`, { query: { h: height, w: width } }).catch(() => {
      // Not yet started or just ended: nothing to resize.
    });
  });
}

/**
 * Makes a program draw its screen again by a size that isn't ours, to be followed by the right one: a shell that was
 * attached to before shows no prompt otherwise.
 */
export async function nudgeSize(context: CommandContext, path: string): Promise<void> {
  const size = terminalSize();
  if (size === undefined) return;
  const query = { h: size.height + 1, w: size.width + 1 };
  await context.client.send('POST', `${path}/resize`, { query }).catch(() => {});
}

/** True when the daemon takes the size of the terminal with the create request. */
export function knowsConsoleSize(context: CommandContext): boolean {
  return !olderVersion(context.client.apiVersion, '1.42');
}
