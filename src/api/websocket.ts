import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ClientStream } from './client-stream.ts';
import { HttpError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { encodeFrame, FrameReader, OPCODE } from './websocket-frames.ts';

/** The constant of RFC 6455, section 1.3. */
const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Answers a WebSocket handshake (RFC 6455). Throws with status 400 when the request is none. */
export function acceptWebSocket(x: Exchange): ClientStream {
  const { headers } = x.request;
  const key = headers['sec-websocket-key'];
  if (!x.upgradable || headers.upgrade?.toLowerCase() !== 'websocket' || key === undefined) {
    throw new HttpError(
      400,
      'not a websocket handshake: the headers Upgrade and Sec-WebSocket-Key are needed',
    );
  }
  if (headers['sec-websocket-version'] !== '13') {
    throw new HttpError(400, 'missing or bad WebSocket Version: 13 is needed');
  }
  const accept = createHash('sha1').update(`${key}${HANDSHAKE_GUID}`).digest('base64');
  const socket = x.upgradeSocket();
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  return new WebSocketStream(socket);
}

/** A session over WebSocket messages: what is written becomes binary messages, any message is input. */
class WebSocketStream implements ClientStream {
  readonly #socket: Socket;
  #closing = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
  }

  read(onChunk: (chunk: Uint8Array) => Promise<void> | undefined, onEnd: () => void): void {
    const socket = this.#socket;
    const frames = new FrameReader();
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      onEnd();
    };
    const take = async (chunk: Uint8Array) => {
      for (const frame of frames.push(chunk)) {
        if (frame.opcode === OPCODE.ping) this.#control(OPCODE.pong, frame.payload);
        else if (frame.opcode === OPCODE.close) {
          end();
          this.#close(frame.payload.subarray(0, 2));
        } else if (frame.opcode !== OPCODE.pong && frame.payload.length > 0 && !ended) {
          await onChunk(frame.payload);
        }
      }
    };
    socket.on('data', (chunk: Uint8Array) => {
      socket.pause();
      take(chunk)
        .catch(() => {
          // 1002: the client broke the protocol.
          end();
          this.#close(Uint8Array.of(0x03, 0xea));
        })
        .finally(() => socket.resume());
    });
    socket.once('end', () => {
      end();
      socket.end();
    });
    socket.resume();
  }

  write(chunk: Uint8Array): boolean {
    return this.#socket.write(encodeFrame(OPCODE.binary, chunk));
  }

  onDrain(listener: () => void): void {
    this.#socket.on('drain', listener);
  }

  onClose(listener: () => void): void {
    this.#socket.once('close', listener);
  }

  /** 1000: normal closure. */
  end(): void {
    this.#close(Uint8Array.of(0x03, 0xe8));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #control(opcode: number, payload: Uint8Array): void {
    if (!this.#closing) this.#socket.write(encodeFrame(opcode, payload));
  }

  #close(status: Uint8Array): void {
    if (this.#closing) return;
    this.#control(OPCODE.close, status);
    this.#closing = true;
    this.#socket.end();
  }
}
