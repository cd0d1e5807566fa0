import type { IoSession } from '../engine/containers/containers.ts';
import { encodeFrame } from '../wire/stream-frames.ts';
import type { ClientStream } from './client-stream.ts';
import { DetachFilter } from './detach-keys.ts';

export interface PumpOptions {
  /** Frame output by stream; else raw bytes. */
  readonly multiplex: boolean;
  /** Client's input goes to the process. */
  readonly stdin: boolean;
  /** Sequence that detaches; undefined: none is watched for. */
  readonly detachKeys: readonly number[] | undefined;
}

/** How it ended: the process's output ended, the user detached, or the client went away. */
export type PumpEnd = 'ended' | 'detached' | 'gone';

/**
 * Joins a client with a process's stdio until the output has ended. Input that ends closes the process's stdin
 * and leaves the output going (half-close); a client that does not read pauses the session, which bounds what is
 * queued for it.
 */
export async function pumpSession(
  client: ClientStream,
  session: IoSession,
  options: PumpOptions,
): Promise<PumpEnd> {
  let end: PumpEnd = 'ended';
  let paused = false;
  client.onClose(() => {
    if (end === 'ended') end = 'gone';
    session.close();
  });
  client.onDrain(() => {
    if (!paused) return;
    paused = false;
    session.resume();
  });
  session.onOutput((stream, chunk) => {
    const keepsUp = client.write(options.multiplex ? encodeFrame(stream, chunk) : chunk);
    if (keepsUp || paused) return;
    paused = true;
    session.pause();
  });
  readInput(client, session, options, () => {
    end = 'detached';
    session.close();
  });
  const how = await session.ended;
  const result: PumpEnd = how === 'eof' ? 'ended' : end;
  if (how === 'overrun') client.destroy();
  else client.end();
  return result;
}

function readInput(
  client: ClientStream,
  session: IoSession,
  options: PumpOptions,
  onDetach: () => void,
): void {
  const filter =
    options.stdin && options.detachKeys !== undefined ? new DetachFilter(options.detachKeys) : undefined;
  let open = options.stdin;
  const stop = () => {
    // The process has closed its stdin or is gone: what the client still sends is read and dropped.
    open = false;
  };
  client.read(
    (chunk) => {
      if (!open) return undefined;
      const data = filter === undefined ? chunk : filter.push(chunk);
      const written = data.length === 0 ? Promise.resolve() : session.write(data);
      if (filter?.detached !== true) return written.catch(stop);
      open = false;
      return written.then(onDetach, onDetach);
    },
    () => {
      if (!open) return;
      open = false;
      session.closeInput().catch(stop);
    },
  );
}
