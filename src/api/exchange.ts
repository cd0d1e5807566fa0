import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ApiClient } from '../engine/containers/death.ts';
import { type ClientStream, NodeClientStream } from './client-stream.ts';
import { API_VERSION } from './versions.ts';

/** What the client's connection was when its request arrived. */
export type Transport =
  | { readonly response: ServerResponse; readonly expectsContinue: boolean }
  | { readonly socket: Socket; readonly head: Uint8Array };

/** How long the rest of a request is read after its answer. Milliseconds. */
const LINGER = 5_000;

/** Headers of every answer. */
export function commonHeaders(serverVersion: string): Record<string, string> {
  return {
    'Api-Version': API_VERSION,
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    Server: `Tare/${serverVersion} (linux)`,
  };
}

/** One request and its answer. */
export class Exchange {
  readonly request: IncomingMessage;
  /** Minor number of the API version that the client speaks. */
  version: number;
  /** Who asks, as far as the kernel tells. */
  client: ApiClient | undefined;
  /** The pattern's parameter, unescaped; empty when it has none. */
  param = '';

  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #queryText: string;
  #query: URLSearchParams | undefined;
  #response: ServerResponse | undefined;
  #abort: AbortController | undefined;
  #hijacked = false;

  constructor(
    request: IncomingMessage,
    transport: Transport,
    headers: Readonly<Record<string, string>>,
    queryText: string,
    version: number,
  ) {
    this.request = request;
    this.#transport = transport;
    this.#headers = headers;
    this.#queryText = queryText;
    this.version = version;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#queryText);
    return this.#query;
  }

  /** Aborted when the client goes away before its answer is complete, or when the daemon shuts down. */
  get signal(): AbortSignal {
    return this.#controller().signal;
  }

  /** The client asked to switch protocols (`Upgrade` header). */
  get upgradable(): boolean {
    return 'socket' in this.#transport;
  }

  /** True once anything of the answer was sent. */
  get begun(): boolean {
    return this.#hijacked || (this.#response?.headersSent ?? false);
  }

  #controller(): AbortController {
    if (this.#abort === undefined) {
      const controller = new AbortController();
      this.#abort = controller;
      const emitter = 'socket' in this.#transport ? this.#transport.socket : this.#transport.response;
      emitter.once('close', () => controller.abort());
    }
    return this.#abort;
  }

  /** Ends what still runs for this client: the daemon is shutting down. */
  abort(): void {
    this.#controller().abort();
    if (this.#hijacked) this.destroy();
  }

  /** The response object; for a client that wanted to upgrade and may not, one over its socket. */
  get response(): ServerResponse {
    this.#response ??= this.#makeResponse();
    return this.#response;
  }

  #makeResponse(): ServerResponse {
    if ('response' in this.#transport) return this.#transport.response;
    const { socket } = this.#transport;
    const response = new ServerResponse(this.request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.end());
    return response;
  }

  /** Sends `100 Continue` if the client waits for it before it sends its body. */
  beginBody(): void {
    if ('response' in this.#transport && this.#transport.expectsContinue) this.response.writeContinue();
  }

  /** Makes the connection end with this answer (the rest of the request is not worth reading). */
  closeAfterwards(): void {
    this.response.shouldKeepAlive = false;
    this.response.setHeader('Connection', 'close');
  }

  /** A JSON answer. */
  json(status: number, value: unknown): void {
    this.jsonText(status, JSON.stringify(value));
  }

  /** A JSON answer that is text already. */
  jsonText(status: number, text: string): void {
    const body = Buffer.from(`${text}\n`);
    this.response.writeHead(status, {
      ...this.#headers,
      'Content-Type': 'application/json',
      'Content-Length': body.length,
    });
    this.#end(body);
  }

  /** A plain text answer. */
  text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): void {
    const bytes = Buffer.from(body);
    this.response.writeHead(status, {
      ...this.#headers,
      ...headers,
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': bytes.length,
    });
    this.#end(bytes);
  }

  /** Ends the answer after the request was read. */
  #end(body: Uint8Array): void {
    const { response } = this;
    if (this.#isReceived()) {
      response.end(body);
      return;
    }
    response.write(body);
    void this.discardRequest().then(() => {
      if (!response.writableEnded) response.end();
    });
  }

  #isReceived(): boolean {
    const { headers, readableEnded, destroyed } = this.request;
    const sent = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    return !sent || readableEnded || destroyed;
  }

  /**
   * For an answer that comes while the client is still sending its request: what comes is thrown away until it
   * stops (or LINGER has passed). Closed at once, its next write would fail with a broken pipe, and it would never
   * read the answer.
   */
  discardRequest(): Promise<void> {
    const { request } = this;
    if (this.#isReceived()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => request.destroy(), LINGER);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      request.once('end', done);
      request.once('close', done);
      request.once('error', done);
      // Who waited for the body (bodyStream) waits no more; a request with such a listener would not flow.
      request.removeAllListeners('readable');
      request.on('data', () => {});
      request.resume();
    });
  }

  /** An answer without a body. */
  empty(status: number): void {
    const length = status === 204 || status === 304 ? {} : { 'Content-Length': '0' };
    this.response.writeHead(status, { ...this.#headers, ...length });
    this.response.end();
  }

  /** Begins an answer whose end is not known; the header is sent at once. */
  begin(status: number, headers: Readonly<Record<string, string>>): ServerResponse {
    const { response } = this;
    response.writeHead(status, { ...this.#headers, ...headers });
    response.flushHeaders();
    return response;
  }

  /** Writes to an answer that was begun; resolves when the client keeps up again, or is gone. */
  async write(chunk: Uint8Array | string): Promise<void> {
    const { response } = this;
    if (response.destroyed || response.write(chunk) || response.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
    });
  }

  /**
   * Takes the connection over as a raw two-way stream. A client that sent `Upgrade` gets `101 UPGRADED` and
   * the connection itself. One that did not gets `200`, the output as a body that ends with the connection, and
   * the request's body as its input: Bun gives no access to the bytes after such a request.
   */
  hijack(contentType: string): ClientStream {
    if ('response' in this.#transport) {
      this.beginBody();
      const { response } = this;
      response.useChunkedEncodingByDefault = false;
      response.shouldKeepAlive = false;
      response.removeHeader('Transfer-Encoding');
      this.begin(200, { 'Content-Type': contentType });
      this.#hijacked = true;
      return new NodeClientStream(this.request, response);
    }
    const protocol = this.request.headers.upgrade ?? 'tcp';
    return this.switchProtocol({
      'Content-Type': contentType,
      Connection: 'Upgrade',
      Upgrade: protocol,
      ...this.#headers,
    });
  }

  /** Answers 101 with `headers` and hands out the socket. Only for a request with `Upgrade`. */
  switchProtocol(headers: Readonly<Record<string, string>>): ClientStream {
    const socket = this.upgradeSocket();
    let text = 'HTTP/1.1 101 UPGRADED\r\n';
    for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`;
    socket.write(`${text}\r\n`);
    return new NodeClientStream(socket, socket);
  }

  /** The socket of a request with `Upgrade`; from here on the caller owns it. */
  upgradeSocket(): Socket {
    if (!('socket' in this.#transport)) throw new Error('the request did not ask for an upgrade');
    this.#hijacked = true;
    const { socket, head } = this.#transport;
    if (head.length > 0) socket.unshift(head);
    return socket;
  }

  /** Drops the connection: the answer has begun and cannot be completed. */
  destroy(): void {
    if ('socket' in this.#transport) this.#transport.socket.destroy();
    else this.#transport.response.destroy();
  }
}
