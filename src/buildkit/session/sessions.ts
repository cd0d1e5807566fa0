import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { TareError } from '../../base/errors.ts';
import { GrpcChannel } from '../grpc/channel.ts';

/** What a client offers while its build runs: its files, secrets, agents, credentials. */
export interface Session {
  readonly id: string;
  /** What the client calls the place that its files come from; the same for each build from there. May be empty. */
  readonly sharedKey: string;
  readonly channel: GrpcChannel;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** True when the client answers a method: `/package.Service/Method`. */
  supports(path: string): boolean;
}

/** How long a build waits for the session that it names: the two come on connections of their own. Milliseconds. */
const PATIENCE = 10_000;

/** The sessions that are open, by id. */
export class Sessions {
  readonly #open = new Map<string, Session>();
  readonly #waiting = new Map<string, Array<(session: Session) => void>>();

  /** Throws for a request that cannot become a session, before the connection is taken over. */
  check(headers: IncomingHttpHeaders): void {
    const id = headerOf(headers, 'uuid');
    if (id === '') throw new TareError('invalid', 'a build session without an id');
    if (this.#open.has(id)) throw new TareError('conflict', `session ${id} already exists`);
  }

  /** Takes a connection on which the client serves gRPC. */
  add(headers: IncomingHttpHeaders, socket: Socket): void {
    const id = headerOf(headers, 'uuid');
    const methods = new Set(
      headerOf(headers, 'grpc-method')
        .split(',')
        .map((method) => method.trim().toLowerCase()),
    );
    const gone = new AbortController();
    const session: Session = {
      id,
      sharedKey: headerOf(headers, 'sharedkey'),
      channel: new GrpcChannel(socket),
      signal: gone.signal,
      supports: (path) => methods.has(path.toLowerCase()),
    };
    const end = (): void => {
      if (this.#open.get(id) === session) this.#open.delete(id);
      gone.abort(new TareError('cancelled', 'the client of this build is gone'));
    };
    session.channel.onClose(end);
    socket.once('close', end);
    this.#open.set(id, session);
    for (const take of this.#waiting.get(id) ?? []) take(session);
    this.#waiting.delete(id);
  }

  /** The session of an id, which may be about to open. Throws `not-found` when it does not. */
  get(id: string, signal: AbortSignal): Promise<Session> {
    const open = this.#open.get(id);
    if (open !== undefined) return Promise.resolve(open);
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', cancel);
        const rest = (this.#waiting.get(id) ?? []).filter((other) => other !== take);
        if (rest.length === 0) this.#waiting.delete(id);
        else this.#waiting.set(id, rest);
        act();
      };
      const take = (session: Session): void => settle(() => resolve(session));
      const cancel = (): void => settle(() => reject(new TareError('cancelled', 'context canceled')));
      const late = (): void =>
        settle(() =>
          reject(new TareError('not-found', `no active session for ${id}: context deadline exceeded`)),
        );
      const timer = setTimeout(late, PATIENCE);
      signal.addEventListener('abort', cancel);
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), take]);
      if (signal.aborted) cancel();
    });
  }

  close(): void {
    for (const { channel } of this.#open.values()) channel.close();
  }
}

function headerOf(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[`x-docker-expose-session-${name}`];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
