import { readLog } from '../../../runtime/log/read-log.ts';
import type { LogOptions, LogRecord } from '../containers.ts';
import { isAlive } from '../lifecycle.ts';
import type { Container } from '../model.ts';
import type { Waiters } from '../waiters.ts';

/** Reads a container's log; following ends with the container's end or removal, as dockerd's does. */
export async function* readContainerLog(
  path: string,
  container: Container,
  options: LogOptions,
  waiters: Waiters,
): AsyncIterable<readonly LogRecord[]> {
  const running = isAlive(container.state) || container.state.status === 'restarting';
  const ended = running
    ? waiters.next(container.id, 'exit', options.signal).catch(() => {})
    : Promise.resolve();
  const request = { ...options, follow: options.follow ? { ended } : undefined };
  for await (const { lines } of readLog(path, request)) yield lines;
}
