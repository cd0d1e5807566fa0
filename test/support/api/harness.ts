import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApi } from '../../../src/api/api.ts';
import type { ApiServer } from '../../../src/api/server.ts';
import { fakeDependencies } from './fake-engine.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A server over fakes on a socket of its own, and a client for it. */
export class Harness {
  readonly engine = fakeDependencies();
  readonly server: ApiServer;
  readonly socketPath: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'tare-api-'));
  readonly #sockets: Socket[] = [];

  constructor() {
    this.socketPath = join(this.#directory, 'api.sock');
    this.server = createApi(this.engine);
  }

  async start(): Promise<this> {
    await this.server.listenPath(this.socketPath);
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.server.close(1000);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Sends a request; an object as body goes as JSON. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await this.open(method, path, body, headers);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString(),
    };
  }

  /** Resolves when the header of the answer is there. */
  open(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<IncomingMessage> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const type: Record<string, string> = text === undefined ? {} : { 'Content-Type': 'application/json' };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { socketPath: this.socketPath, method, path, headers: { ...type, ...headers }, agent: false },
        resolve,
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  async json(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.call(method, path, body);
    return JSON.parse(answer.body);
  }

  /** A connection for requests that are written by hand. */
  raw(): RawConnection {
    const socket = connect({ path: this.socketPath, allowHalfOpen: true });
    this.#sockets.push(socket);
    return new RawConnection(socket);
  }
}

/** Collects what arrives on a socket. */
export class RawConnection {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  readonly #waiters = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', () => {});
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  get text(): string {
    return this.#received.toString('latin1');
  }

  get bytes(): Buffer {
    return this.#received;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when `test` holds for what has arrived. */
  async until(test: (connection: RawConnection) => boolean): Promise<void> {
    while (!test(this)) {
      if (this.#ended) throw new Error(`the connection ended with ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => {
        const waiter = () => {
          this.#waiters.delete(waiter);
          resolve();
        };
        this.#waiters.add(waiter);
      });
    }
  }

  async end(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        const waiter = () => {
          this.#waiters.delete(waiter);
          resolve();
        };
        this.#waiters.add(waiter);
      });
    }
  }

  /** A request with Upgrade. */
  upgrade(method: string, path: string, headers: Record<string, string> = {}, body = ''): void {
    const all = {
      Host: 'd',
      Connection: 'Upgrade',
      Upgrade: 'tcp',
      'Content-Length': String(body.length),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  }

  /** What came after the header of the answer. */
  get payload(): Buffer {
    const at = this.#received.indexOf('\r\n\r\n');
    return at < 0 ? Buffer.alloc(0) : this.#received.subarray(at + 4);
  }
}
