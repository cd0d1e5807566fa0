import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy on loopback that counts what passes, and cuts or holds connections when it is told to. */
export class CutProxy implements AsyncDisposable {
  /** Bytes from the client to the server, and back. */
  sent = 0;
  received = 0;
  /** When so many bytes have gone one way, all connections are cut, once. */
  cutAfterSent = Number.POSITIVE_INFINITY;
  cutAfterReceived = Number.POSITIVE_INFINITY;
  /** When so many bytes have gone one way, nothing passes any more until `release`. */
  holdAfterSent = Number.POSITIVE_INFINITY;
  holdAfterReceived = Number.POSITIVE_INFINITY;
  cuts = 0;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(target: string) {
    const [host = '', port = ''] = target.split(':');
    this.#server = createServer((client) => this.#pair(client, connect(Number(port), host)));
  }

  /** `target`: `host:port`. */
  static async start(target: string): Promise<CutProxy> {
    const proxy = new CutProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get holds(): boolean {
    return this.sent >= this.holdAfterSent || this.received >= this.holdAfterReceived;
  }

  /** Counts from zero again, without any limit. */
  reset(): void {
    this.sent = 0;
    this.received = 0;
    this.cutAfterSent = this.cutAfterReceived = Number.POSITIVE_INFINITY;
    this.holdAfterSent = this.holdAfterReceived = Number.POSITIVE_INFINITY;
  }

  #pair(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.on('data', (chunk: Buffer) => {
      this.sent += chunk.byteLength;
      this.#pass(chunk, client, server);
      if (this.sent >= this.cutAfterSent) this.#cut();
    });
    server.on('data', (chunk: Buffer) => {
      this.received += chunk.byteLength;
      this.#pass(chunk, server, client);
      if (this.received >= this.cutAfterReceived) this.#cut();
    });
  }

  #pass(chunk: Buffer, from: Socket, to: Socket): void {
    if (this.holds) from.pause();
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => {
      if (!this.holds) from.resume();
    });
  }

  #cut(): void {
    this.cuts++;
    this.cutAfterSent = this.cutAfterReceived = Number.POSITIVE_INFINITY;
    // What has been written still arrives.
    for (const [client, server] of this.#pairs) {
      server.end();
      client.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [client, server] of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
