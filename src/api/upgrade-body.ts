import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';

/**
 * Gives an upgrade request on a handed-in connection its body. Bun's own listener puts the body into the request;
 * for a connection given by `emit('connection')` it does as Node: the request ends at once, and its body is the first
 * bytes of `head` and then of the socket. Waits until the body is there. Undefined when the client goes away before.
 *
 * A body longer than `limit` bytes is left where it is: who reads it refuses it by its length.
 */
export async function withUpgradeBody(
  request: IncomingMessage,
  socket: Socket,
  head: Uint8Array,
  limit: number,
): Promise<{ request: IncomingMessage; head: Uint8Array } | undefined> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (!(length > 0 && length <= limit)) return { request, head };
  const bytes = head.length >= length ? head : await readAtLeast(length, head, socket);
  if (bytes === undefined) return undefined;
  const { headers, method, url, httpVersion, rawHeaders } = request;
  const body = new PassThrough();
  body.end(bytes.subarray(0, length));
  const whole = Object.assign(body, {
    headers,
    method,
    url,
    httpVersion,
    rawHeaders,
    socket,
    complete: true,
  });
  return { request: whole as unknown as IncomingMessage, head: bytes.subarray(length) };
}

function readAtLeast(length: number, head: Uint8Array, socket: Socket): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.from(head);
    const stop = (result: Uint8Array | undefined): void => {
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      // What follows the body belongs to whoever takes the connection over.
      socket.pause();
      resolve(result);
    };
    const onData = (chunk: Uint8Array): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= length) stop(bytes);
    };
    const onEnd = (): void => stop(undefined);
    socket.on('data', onData);
    socket.once('end', onEnd);
    socket.once('close', onEnd);
  });
}
