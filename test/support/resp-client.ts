import { connect, type Socket } from 'node:net';

/** What Redis answers; errors are thrown. */
export type RespValue = string | number | null | RespValue[];

/** A client of Redis' protocol, RESP2: one command at a time over one connection. */
export class RespClient {
  readonly #socket: Socket;
  #heard = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, data]);
      this.#wake?.();
    });
    const fail = (error?: Error) => {
      this.#failure ??= error ?? new Error('Redis closed the connection');
      this.#wake?.();
    };
    socket.on('error', fail).on('close', () => fail());
  }

  /** Connects and asks for an answer, which a server that is loading its data does not give. */
  static async open(host: string, port: number): Promise<RespClient> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const opened = connect({ host, port }, () => resolve(opened));
      opened.once('error', reject);
    });
    const client = new RespClient(socket);
    await client.ask('PING');
    return client;
  }

  /** Sends one command and gives its answer. */
  async ask(...words: readonly string[]): Promise<RespValue> {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`);
    return this.#value();
  }

  close(): void {
    this.#socket.destroy();
  }

  async #value(): Promise<RespValue> {
    const line = await this.#line();
    const rest = line.slice(1);
    if (line[0] === '+') return rest;
    if (line[0] === ':') return Number(rest);
    if (line[0] === '-') throw new Error(rest);
    const length = Number(rest);
    if (length === -1) return null;
    if (line[0] === '$') return (await this.#take(length + 2)).subarray(0, length).toString();
    const list: RespValue[] = [];
    for (let i = 0; i < length; i++) list.push(await this.#value());
    return list;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#heard.indexOf('\r\n');
      if (end >= 0) return (await this.#take(end + 2)).subarray(0, end).toString();
      await this.#more();
    }
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#heard.length < length) await this.#more();
    const taken = this.#heard.subarray(0, length);
    this.#heard = this.#heard.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#failure) throw this.#failure;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.#failure) throw this.#failure;
  }
}
