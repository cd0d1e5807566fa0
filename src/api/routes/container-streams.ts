import type { ContainerService, IoSession, LogOptions } from '../../engine/containers/containers.ts';
import type { Container } from '../../engine/containers/model.ts';
import type { EventBus } from '../../engine/events/events.ts';
import type { ClientStream } from '../client-stream.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { BatchedAnswer } from '../line-stream.ts';
import { detailsPrefix, encodeRecords, type LogFormat } from '../log-format.ts';
import { flag, text } from '../query.ts';
import type { Route } from '../router.ts';
import { pumpSession } from '../session-pump.ts';
import { pipeTar } from '../tar-answer.ts';
import { parseOptionalMoment } from '../time.ts';
import { acceptWebSocket } from '../websocket.ts';

interface Dependencies {
  readonly containers: Pick<ContainerService, 'get' | 'attach' | 'logs' | 'logDetails' | 'export'>;
  readonly events: Pick<EventBus, 'emit'>;
  readonly now: () => number;
}

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

/**
 * Between the header of a hijacked stream and bytes that are there at once: docker-py reads the header through a
 * buffer, throws away what is in it besides, and goes on with the bare socket. dockerd is slow enough for that.
 * Milliseconds.
 */
export const HEADER_PAUSE = 10;

/** The content type of a stream that is framed unless there is a terminal; named apart since API 1.42. */
export function streamType(tty: boolean, version: number): string {
  return tty || version < 42 ? RAW_STREAM : MULTIPLEXED_STREAM;
}

/** Endpoints that carry a container's bytes. */
export function containerStreamRoutes({ containers, events, now }: Dependencies): Route[] {
  return [
    { method: 'POST', pattern: '/containers/{name}/attach', handle: attach },
    { method: 'GET', pattern: '/containers/{name}/attach/ws', handle: attachWebSocket },
    { method: 'GET', pattern: '/containers/{name}/logs', handle: logs },
    {
      method: 'GET',
      pattern: '/containers/{name}/export',
      handle: async (x) => pipeTar(x, await containers.export(x.param), 'application/octet-stream'),
    },
  ];

  async function attach(x: Exchange): Promise<void> {
    const container = containers.get(x.param);
    const { tty } = container.config;
    await join(x, container, !tty, () => x.hijack(streamType(tty, x.version)));
  }

  async function attachWebSocket(x: Exchange): Promise<void> {
    await join(x, containers.get(x.param), false, () => acceptWebSocket(x));
  }

  /** Errors before `open` are ordinary answers; after it the connection belongs to the session. */
  async function join(
    x: Exchange,
    container: Container,
    multiplex: boolean,
    open: () => ClientStream,
  ): Promise<void> {
    const keys = text(x, 'detachKeys');
    const detachKeys = parseDetachKeys(keys);
    const wants = { stdin: flag(x, 'stdin'), stdout: flag(x, 'stdout'), stderr: flag(x, 'stderr') };
    const withLogs = flag(x, 'logs');
    let session: IoSession | undefined;
    if (flag(x, 'stream')) session = await containers.attach(container.id, wants);
    let client: ClientStream;
    try {
      client = open();
    } catch (error) {
      session?.close();
      throw error;
    }
    if (withLogs) {
      // Output that comes meanwhile waits in the session.
      session?.pause();
      await Bun.sleep(HEADER_PAUSE);
      const format: LogFormat = { multiplex, timestamps: false, joined: false, details: undefined };
      for await (const records of containers.logs(container.id, pastLogs(wants, x.signal))) {
        if (!client.write(encodeRecords(records, format))) await drained(client);
      }
      session?.resume();
    }
    if (session === undefined) {
      client.end();
      return;
    }
    const end = await pumpSession(client, session, {
      multiplex,
      stdin: wants.stdin,
      detachKeys: session.tty ? detachKeys : undefined,
    });
    if (end === 'detached') emitDetach(container);
  }

  function emitDetach(container: Container): void {
    const { labels, image } = container.config;
    const attributes = { ...labels, image, name: container.name };
    events.emit({ type: 'container', action: 'detach', id: container.id, attributes });
  }

  async function logs(x: Exchange): Promise<void> {
    const options = readLogOptions(x, now());
    const container = containers.get(x.param);
    const { tty } = container.config;
    const format: LogFormat = {
      multiplex: !tty,
      timestamps: flag(x, 'timestamps'),
      joined: flag(x, 'tare'),
      details: flag(x, 'details') ? detailsPrefix(containers.logDetails(container.id)) : undefined,
    };
    const records = containers.logs(container.id, options);
    x.begin(200, { 'Content-Type': streamType(tty, x.version) });
    const answer = new BatchedAnswer(x);
    for await (const some of records) {
      const full = answer.add(encodeRecords(some, format));
      if (full !== undefined) await full;
      if (options.signal.aborted) break;
    }
    await answer.end();
  }
}

/** Resolves when the client keeps up again or is gone. */
function drained(client: ClientStream): Promise<void> {
  return new Promise((resolve) => {
    client.onDrain(resolve);
    client.onClose(resolve);
  });
}

function pastLogs(wants: { stdout: boolean; stderr: boolean }, signal: AbortSignal): LogOptions {
  return {
    stdout: wants.stdout,
    stderr: wants.stderr,
    follow: false,
    since: 0n,
    until: 0n,
    tail: -1,
    signal,
  };
}

function readLogOptions(x: Exchange, now: number): LogOptions {
  const stdout = flag(x, 'stdout');
  const stderr = flag(x, 'stderr');
  if (!stdout && !stderr) {
    throw new HttpError(400, 'Bad parameters: you must choose at least one stream');
  }
  const tail = text(x, 'tail');
  const moment = (name: string) => parseOptionalMoment(text(x, name), now) ?? 0n;
  return {
    stdout,
    stderr,
    follow: flag(x, 'follow'),
    since: moment('since'),
    until: moment('until'),
    // As in dockerd, what is no number means all.
    tail: /^\d+$/.test(tail) ? Number(tail) : -1,
    signal: x.signal,
  };
}
