import { connect, createServer, type Server, type Socket } from 'node:net';
import { TareError } from '../base/errors.ts';
import { codeOf } from '../kernel/errno.ts';

/**
 * Listens on an IPv6 address of the host and passes TCP connections on to a container that has IPv4 only: NAT
 * cannot change the family, and has no `route_localnet` for ::1. Docker needs its proxy process for the same.
 */
export class PortForwarder {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Throws `conflict` with code EADDRINUSE as the cause when the port is taken. */
  static async listen(
    host: string,
    port: number,
    target: { host: string; port: number },
  ): Promise<PortForwarder> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const forwarder = new PortForwarder(server);
    server.on('connection', (client) => forwarder.#pass(client, target));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, ipv6Only: true, exclusive: true }, () => {
        server.off('error', reject);
        // Without a listener a later error would end the daemon.
        server.on('error', () => {});
        resolve();
      });
    }).catch((error: unknown) => {
      const kind = codeOf(error) === 'EADDRINUSE' ? 'conflict' : 'internal';
      throw new TareError(kind, `listen ${host} ${port}: ${String(error)}`, error);
    });
    return forwarder;
  }

  #pass(client: Socket, target: { host: string; port: number }): void {
    const upstream = connect({ ...target, allowHalfOpen: true });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#connections.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#connections.delete(socket);
        // An end was passed on by the pipe; a reset was not.
        if (!socket.readableEnded) other.destroy();
      });
    }
    client.pipe(upstream);
    upstream.pipe(client);
  }

  /** Stops listening and cuts the connections, as the container that they led to is going. */
  close(): void {
    this.#server.close();
    for (const socket of this.#connections) socket.destroy();
  }
}
