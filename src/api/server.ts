import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { messageOf, TareError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ApiClient } from '../engine/containers/death.ts';
import { MAX_JSON_BYTES } from './body.ts';
import type { Dispatcher } from './dispatcher.ts';
import { clearSocketPath, DEFAULT_GROUPS, shareSocket, socketGroup, withSocketMode } from './socket-file.ts';
import { withUpgradeBody } from './upgrade-body.ts';

/**
 * The API on unix sockets. Several can be listened on, by path or as descriptors from systemd; all lead to the
 * same routes.
 *
 * Example: `await server.listenPath('/run/tare.sock')`; later `await server.close(5000)`.
 */
export class ApiServer {
  readonly #dispatcher: Dispatcher;
  readonly #log: Logger;
  readonly #https: Server[] = [];
  readonly #nets: NetServer[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #clientOf: (() => ApiClient | undefined) | undefined;
  readonly #clients = new WeakMap<Socket, ApiClient>();

  /** `clientOf` is called for each connection as soon as it is accepted. */
  constructor(dispatcher: Dispatcher, log: Logger, clientOf?: () => ApiClient | undefined) {
    this.#dispatcher = dispatcher;
    this.#log = log;
    this.#clientOf = clientOf;
  }

  /**
   * Listens on a unix socket, mode 0660, of `group` or else of tare or docker if there is one; a stale file is
   * replaced. Throws `conflict` when another program listens there, `invalid` for an unknown group.
   */
  async listenPath(path: string, group = ''): Promise<void> {
    const gid = group === '' ? socketGroup(DEFAULT_GROUPS) : socketGroup([group]);
    if (group !== '' && gid === undefined) {
      throw new TareError('invalid', `could not change group ${path} to ${group}: group ${group} not found`);
    }
    await clearSocketPath(path);
    const server = this.#createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new TareError('invalid', `can't listen on unix://${path}: ${messageOf(error)}`, error)),
      );
      withSocketMode(path, () => server.listen(path, () => resolve()));
    });
    shareSocket(path, gid);
    this.#https.push(server);
    this.#log.info('API listen on', { address: `unix://${path}` });
  }

  /** Listens on an open descriptor of a listening unix socket. */
  async listenFd(fd: number): Promise<void> {
    // Bun's http server would open a TCP port of its own when given a descriptor; its net server takes it.
    const http = this.#createServer({ handedIn: true });
    const server = createNetServer({ allowHalfOpen: true }, (socket) => {
      this.#track(socket);
      http.emit('connection', socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new TareError('invalid', `can't listen on descriptor ${fd}: ${messageOf(error)}`, error)),
      );
      server.listen({ fd }, () => resolve());
    });
    this.#nets.push(server);
    this.#log.info('API listen on', { address: `fd://${fd}` });
  }

  #createServer({ handedIn } = { handedIn: false }): Server {
    const handle = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => {
      const client = this.#clients.get(request.socket);
      void this.#dispatcher.handle(request, { response, expectsContinue }, client);
    };
    const server = createHttpServer((request, response) => handle(request, response, false));
    server.on('checkContinue', (request, response) => handle(request, response, true));
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Uint8Array) => {
      this.#track(socket);
      if (handedIn) void this.#upgrade(request, socket, head);
      else void this.#dispatcher.handle(request, { socket, head }, this.#clients.get(socket));
    });
    server.on('connection', (socket: Socket) => {
      const client = this.#clientOf?.();
      if (client) this.#clients.set(socket, client);
    });
    // A wait or a log stream may be silent for days.
    server.timeout = 0;
    server.requestTimeout = 0;
    server.headersTimeout = 0;
    server.keepAliveTimeout = 0;
    return server;
  }

  async #upgrade(request: IncomingMessage, socket: Socket, head: Uint8Array): Promise<void> {
    const whole = await withUpgradeBody(request, socket, head, MAX_JSON_BYTES);
    if (whole === undefined) socket.destroy();
    else
      await this.#dispatcher.handle(whole.request, { socket, head: whole.head }, this.#clients.get(socket));
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /**
   * Stops listening and ends what is open: streams are aborted at once, other requests have `graceMs`
   * milliseconds to end. Idempotent.
   */
  async close(graceMs: number): Promise<void> {
    for (const server of [...this.#https, ...this.#nets]) server.close();
    for (const server of this.#https) server.closeIdleConnections();
    for (const x of this.#dispatcher.open) x.abort();
    const deadline = Date.now() + graceMs;
    while (this.#dispatcher.open.size > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const server of this.#https) server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    this.#https.length = 0;
    this.#nets.length = 0;
  }
}
