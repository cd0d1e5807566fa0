import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { TareError } from '../../base/errors.ts';
import type { Message } from '../proto/message.ts';
import { FrameReader, frameOf } from './frames.ts';
import { CODES, GrpcError, toGrpc, trailersOf } from './grpc-error.ts';
import { MessageQueue } from './message-queue.ts';

/** One call of a client. */
export interface ServerCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: IncomingHttpHeaders;
  /** Aborted when the client gives the call up, or is gone. */
  readonly signal: AbortSignal;
  readonly messages: AsyncIterable<Uint8Array>;
  /** Resolves when the client keeps up. */
  send(message: Uint8Array): Promise<void>;
}

/** Answers a call; what it throws is how the call ends. */
export type Method = (call: ServerCall) => Promise<void>;
/** By path: `/package.Service/Method`. */
export type Methods = Readonly<Record<string, Method>>;

/** One message in, one out. */
export function unary<I, O>(
  input: Message<I>,
  output: Message<O>,
  handle: (request: I, call: ServerCall) => Promise<Partial<O>> | Partial<O>,
): Method {
  return async (call) => {
    const answer = await handle(input.decode(await firstOf(call.messages)), call);
    await call.send(output.encode(answer));
  };
}

/** One message in, any number out. */
export function streaming<I, O>(
  input: Message<I>,
  output: Message<O>,
  handle: (request: I, send: (message: Partial<O>) => Promise<void>, call: ServerCall) => Promise<void>,
): Method {
  return async (call) => {
    const request = input.decode(await firstOf(call.messages));
    await handle(request, (message) => call.send(output.encode(message)), call);
  };
}

async function firstOf(messages: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  for await (const message of messages) return message;
  throw new TareError('invalid', 'a gRPC call without a message');
}

/** gRPC over connections that are given to it: HTTP/2 without TLS, as after `Upgrade: h2c`. */
export class GrpcServer {
  readonly #server: Http2Server;
  readonly #methods: Methods;
  readonly #failed: (path: string, error: unknown) => void;

  /** `failed` is told of errors that calls ended with. */
  constructor(methods: Methods, failed: (path: string, error: unknown) => void) {
    this.#methods = methods;
    this.#failed = failed;
    this.#server = createServer({ settings: { maxConcurrentStreams: 256, initialWindowSize: 1 << 20 } });
    this.#server.on('stream', (stream, headers) => void this.#answer(stream as ServerHttp2Stream, headers));
    this.#server.on('sessionError', () => {});
  }

  /** Serves a connection until its end. */
  accept(socket: Socket): void {
    socket.on('error', () => {});
    this.#server.emit('connection', socket);
  }

  async #answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const path = String(headers[':path'] ?? '');
    const gone = new AbortController();
    stream.on('error', () => gone.abort());
    stream.on('aborted', () => gone.abort());
    stream.on('close', () => gone.abort());
    const answer = new Answer(stream);
    const messages = queueOf(stream);
    let error: GrpcError | undefined;
    try {
      const method = this.#methods[path];
      if (method === undefined) throw new GrpcError(CODES.unimplemented, `unknown method ${path}`);
      const send = (message: Uint8Array): Promise<void> => answer.send(message, gone.signal);
      await method({ path, metadata: headers, signal: gone.signal, messages, send });
    } catch (cause) {
      error = toGrpc(cause);
      this.#failed(path, cause);
    }
    answer.end(trailersOf(error));
  }
}

/** The answering half of a stream. */
class Answer {
  readonly #stream: ServerHttp2Stream;
  #trailers: Record<string, string> = {};

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  async send(message: Uint8Array, signal: AbortSignal): Promise<void> {
    const stream = this.#stream;
    if (signal.aborted || stream.destroyed) throw new TareError('cancelled', 'context canceled');
    this.#begin();
    if (stream.write(frameOf(message))) return;
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

  end(trailers: Record<string, string>): void {
    if (this.#stream.destroyed || this.#stream.closed) return;
    this.#trailers = trailers;
    this.#begin();
    this.#stream.end();
  }

  #begin(): void {
    const stream = this.#stream;
    if (stream.headersSent) return;
    stream.on('wantTrailers', () => stream.sendTrailers(this.#trailers));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  }
}

/** What comes on a stream, as messages; the stream is paused while too many wait. */
function queueOf(stream: ServerHttp2Stream): MessageQueue {
  const queue = new MessageQueue();
  const frames = new FrameReader();
  queue.onDrained = () => stream.resume();
  stream.on('data', (chunk: Uint8Array) => {
    try {
      for (const message of frames.push(chunk)) queue.push(message);
    } catch (error) {
      queue.end(error);
    }
    if (queue.isFull) stream.pause();
  });
  stream.on('end', () => {
    queue.end(frames.isPartial ? new TareError('invalid', 'a gRPC message is cut off') : undefined);
  });
  stream.on('close', () => queue.end(new TareError('cancelled', 'context canceled')));
  return queue;
}
