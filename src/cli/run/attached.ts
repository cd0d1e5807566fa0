import type { ContainerWaitResponse } from '../../wire/containers.ts';
import { olderVersion, readText } from '../client/client.ts';
import { containerPath } from '../commands/each.ts';
import type { CommandContext } from '../context.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { watchSize } from '../terminal/terminal.ts';

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
    const result = JSON.parse(text) as ContainerWaitResponse;
    if (result.Error?.Message) context.console.err(`Error waiting for container: ${result.Error.Message}\n`);
    return result.Error?.Message ? 125 : result.StatusCode;
  });
  // Nobody may be listening yet when the daemon goes away; the failure is reported where it is awaited.
  exitCode.catch(() => {});
  return { exitCode };
}

/** Passes the program's signals on to a container; returns what ends that. */
export function proxySignals(context: CommandContext, id: string): () => void {
  return forwardSignals((signal) => {
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

/** True when the daemon takes the size of the terminal with the create request. */
export function knowsConsoleSize(context: CommandContext): boolean {
  return !olderVersion(context.client.apiVersion, '1.42');
}
