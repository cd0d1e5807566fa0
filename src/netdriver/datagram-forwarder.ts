import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { TareError } from '../base/errors.ts';
import { codeOf } from '../kernel/errno.ts';

/** A client that sent nothing and got nothing for so long is forgotten, as Docker's proxy does. */
const IDLE_MS = 90_000;
/** Clients at a time; the one that was silent longest goes for a new one. */
const MAX_CLIENTS = 1024;

interface Client {
  readonly upstream: Socket;
  lastUse: number;
}

/** `PortForwarder` for datagrams: one socket towards the container for each client, so that answers find back. */
export class DatagramForwarder {
  readonly #socket: Socket;
  readonly #target: { host: string; port: number };
  /** By address and port, the one that was silent longest first. */
  readonly #clients = new Map<string, Client>();
  readonly #sweeper: NodeJS.Timeout;

  private constructor(socket: Socket, target: { host: string; port: number }) {
    this.#socket = socket;
    this.#target = target;
    this.#sweeper = setInterval(() => this.#sweep(), IDLE_MS / 3);
    this.#sweeper.unref();
  }

  /** Throws `conflict` with code EADDRINUSE as the cause when the port is taken. */
  static async listen(
    host: string,
    port: number,
    target: { host: string; port: number },
  ): Promise<DatagramForwarder> {
    const socket = createSocket({ type: 'udp6', ipv6Only: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.off('error', reject);
        // Without a listener a later error would end the daemon.
        socket.on('error', () => {});
        resolve();
      });
    }).catch((error: unknown) => {
      const kind = codeOf(error) === 'EADDRINUSE' ? 'conflict' : 'internal';
      throw new TareError(kind, `listen ${host} ${port}: ${String(error)}`, error);
    });
    const forwarder = new DatagramForwarder(socket, target);
    socket.on('message', (message, from) => forwarder.#pass(message, from));
    return forwarder;
  }

  #pass(message: Buffer, from: { address: string; port: number }): void {
    const key = `${from.address} ${from.port}`;
    const client = this.#clients.get(key) ?? this.#meet(from);
    // To the end of the line.
    this.#clients.delete(key);
    this.#clients.set(key, client);
    client.lastUse = Date.now();
    client.upstream.send(message, this.#target.port, this.#target.host);
  }

  #meet(from: { address: string; port: number }): Client {
    if (this.#clients.size >= MAX_CLIENTS) {
      const [oldest] = this.#clients.keys();
      if (oldest !== undefined) this.#forget(oldest);
    }
    const upstream = createSocket({ type: isIPv6(this.#target.host) ? 'udp6' : 'udp4' });
    const client = { upstream, lastUse: Date.now() };
    upstream.on('error', () => {});
    upstream.on('message', (answer, sender) => {
      if (sender.address !== this.#target.host || sender.port !== this.#target.port) return;
      client.lastUse = Date.now();
      this.#socket.send(answer, from.port, from.address);
    });
    return client;
  }

  #sweep(): void {
    const before = Date.now() - IDLE_MS;
    for (const [key, { lastUse }] of this.#clients) if (lastUse < before) this.#forget(key);
  }

  #forget(key: string): void {
    this.#clients.get(key)?.upstream.close();
    this.#clients.delete(key);
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const key of [...this.#clients.keys()]) this.#forget(key);
    this.#socket.close();
  }
}
