import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Socket } from 'node:net';
import { TareError } from '../../base/errors.ts';
import type { Message } from '../proto/message.ts';
import { FrameReader, frameOf } from './frames.ts';
import { CODES, errorOf, GrpcError } from './grpc-error.ts';
import { MessageQueue } from './message-queue.ts';

/** Metadata of a call; a key may have several values. */
export type Metadata = Readonly<Record<string, string | string[]>>;

/** A call to the peer, both of whose directions are open. */
export interface ClientCall {
  /** Throws `GrpcError` at the end unless the call ended well. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Resolves when the peer keeps up. */
  send(message: Uint8Array): Promise<void>;
  /** The same for several at once. */
  sendAll(messages: readonly Uint8Array[]): Promise<void>;
  /** Nothing more will be sent. */
  end(): void;
  cancel(): void;
}

/** gRPC calls over a connection that the other side opened: the daemon is the client in a session. */
export class GrpcChannel {
  readonly #session: ClientHttp2Session;

  constructor(socket: Socket) {
    socket.on('error', () => {});
    this.#session = connect('http://localhost', {
      createConnection: () => socket,
      settings: { initialWindowSize: WINDOW },
    });
    this.#session.on('error', () => {});
  }

  onClose(listener: () => void): void {
    this.#session.once('close', listener);
  }

  close(): void {
    this.#session.destroy();
  }

  /** One message there, one back. */
  async unary<I, O>(
    path: string,
    input: Message<I>,
    output: Message<O>,
    request: Partial<I>,
    signal: AbortSignal,
  ): Promise<O> {
    const call = this.call(path, {}, signal);
    await call.send(input.encode(request));
    call.end();
    let answer: O | undefined;
    for await (const message of call.messages) answer ??= output.decode(message);
    if (answer === undefined) throw new GrpcError(CODES.internal, `${path} ended without an answer`);
    return answer;
  }

  call(path: string, metadata: Metadata, signal: AbortSignal): ClientCall {
    if (this.#session.destroyed || this.#session.closed) throw gone();
    signal.throwIfAborted();
    const stream = this.#session.request({
      ...metadata,
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const cancel = (): void => void (stream.destroyed || stream.close(CANCEL));
    signal.addEventListener('abort', cancel);
    stream.once('close', () => signal.removeEventListener('abort', cancel));
    return {
      messages: answersOf(stream),
      send: (message) => write(stream, frameOf(message)),
      sendAll: (messages) => write(stream, Buffer.concat(messages.map(frameOf))),
      end: () => void stream.end(),
      cancel,
    };
  }
}

const CANCEL = 8;
const WINDOW = 4 << 20;

function gone(): TareError {
  return new TareError('cancelled', 'the client of this build is gone');
}

async function write(stream: ClientHttp2Stream, bytes: Uint8Array): Promise<void> {
  if (stream.destroyed || stream.closed) throw gone();
  if (stream.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

function answersOf(stream: ClientHttp2Stream): MessageQueue {
  const queue = new MessageQueue();
  const frames = new FrameReader();
  let told = false;
  let failure: GrpcError | undefined;
  const look = (headers: Record<string, unknown>): void => {
    if (headers['grpc-status'] === undefined) return;
    told = true;
    failure = errorOf(headers);
  };
  queue.onDrained = () => stream.resume();
  stream.on('response', look);
  stream.on('trailers', look);
  stream.on('data', (chunk: Uint8Array) => {
    try {
      for (const message of frames.push(chunk)) queue.push(message);
    } catch (error) {
      queue.end(error);
      stream.close(CANCEL);
    }
    if (queue.isFull) stream.pause();
  });
  stream.on('error', () => {});
  // Trailers come after `end`, and with `close` all is known.
  stream.on('close', () => queue.end(told ? failure : gone()));
  return queue;
}
