import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { TareError } from '../../../base/errors.ts';
import type { LogDestination } from './ship.ts';

/** Where a stream leads to. */
export type StreamTarget =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: ConnectionOptions }
  | { readonly kind: 'unix'; readonly path: string };

/** Reads the server's answers; says how many messages it has acknowledged by them. */
export type AnswerReader = (chunk: Uint8Array) => number;

/** Milliseconds. */
const CONNECT_PATIENCE = 10_000;
const DOUBT = 1000;

/**
 * A connection that messages are written to one after another. With an `answers` reader, `send` waits until the server
 * has acknowledged each message, and nothing is in doubt.
 */
export class StreamDestination implements LogDestination {
  readonly doubt: number;
  readonly #target: StreamTarget;
  readonly #answers: (() => AnswerReader) | undefined;
  #connection: Connection | undefined;
  #onBroken: () => void = () => {};

  constructor(target: StreamTarget, answers?: () => AnswerReader) {
    this.#target = target;
    this.#answers = answers;
    this.doubt = answers ? 0 : DOUBT;
  }

  onBroken(listener: () => void): void {
    this.#onBroken = listener;
  }

  async send(messages: readonly Uint8Array[]): Promise<void> {
    const open = this.#connection ?? (await this.#connect());
    await open.write(Buffer.concat(messages), messages.length);
  }

  async #connect(): Promise<Connection> {
    const socket = openSocket(this.#target);
    const connection = new Connection(socket, this.#answers?.(), () => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      this.#onBroken();
    });
    await connection.opened;
    this.#connection = connection;
    return connection;
  }

  close(): void {
    this.#connection?.end();
    this.#connection = undefined;
  }
}

function openSocket(target: StreamTarget): Socket {
  if (target.kind === 'unix') return connect({ path: target.path });
  const { host, port, tls } = target;
  return tls
    ? connectTls({ host, port, servername: /[a-z]/i.test(host) ? host : '', ...tls })
    : connect({ host, port });
}

class Connection {
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  readonly #acknowledges: boolean;
  #unacknowledged = 0;
  #failure: TareError | undefined;
  #wake: () => void = () => {};

  constructor(socket: Socket, answers: AnswerReader | undefined, broken: () => void) {
    this.#socket = socket;
    this.#acknowledges = answers !== undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.opened = promise;
    const timer = setTimeout(() => socket.destroy(new Error('it did not answer in time')), CONNECT_PATIENCE);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      resolve();
    });
    // Without an answer to wait for, reading is how the other side's end is noticed.
    socket.on('data', (chunk) => {
      this.#unacknowledged -= answers?.(Buffer.from(chunk)) ?? 0;
      this.#wake();
    });
    socket.on('drain', () => this.#wake());
    socket.on('end', () => socket.destroy());
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => {
      clearTimeout(timer);
      this.#fail('the connection was closed');
      reject(this.#failure);
      this.#wake();
      broken();
    });
  }

  #fail(why: string): void {
    this.#failure ??= new TareError('unavailable', `log destination: ${why}`);
  }

  async write(bytes: Uint8Array, messages: number): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#acknowledges) this.#unacknowledged += messages;
    let drained = this.#socket.write(bytes);
    while (!this.#failure && (!drained || (this.#acknowledges && this.#unacknowledged > 0))) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      drained = !this.#socket.writableNeedDrain;
    }
    if (this.#failure) throw this.#failure;
  }

  end(): void {
    this.#socket.end();
  }
}
