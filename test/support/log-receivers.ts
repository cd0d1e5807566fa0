/** Small servers that take what log drivers send. */
import { dlopen, FFIType } from 'bun:ffi';
import { createSocket } from 'node:dgram';
import { existsSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** What came so far, and the way to end it. */
export interface Receiver extends AsyncDisposable {
  /** Of UDP and datagram sockets: one member a datagram. Of streams: one member a connection. */
  readonly received: Buffer[];
  /** All of it as text. */
  text(): string;
  readonly port: number;
  close(): Promise<void>;
}

function receiver(received: Buffer[], port: number, close: () => Promise<void>): Receiver {
  return {
    received,
    text: () => Buffer.concat(received).toString(),
    port,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Takes datagrams on a free port of 127.0.0.1. */
export async function receiveUdp(): Promise<Receiver> {
  const received: Buffer[] = [];
  const socket = createSocket('udp4', (message) => received.push(Buffer.from(message)));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return receiver(received, socket.address().port, async () => void socket.close());
}

export interface StreamOptions {
  readonly tls?: TlsOptions;
  /** A port that was taken before, or a path. */
  readonly at?: number | string;
  /** Accepts and reads nothing. */
  readonly deaf?: boolean;
  /** What to answer to a chunk. */
  readonly answer?: (chunk: Buffer) => Uint8Array | undefined;
}

/** Takes streams on 127.0.0.1 or a unix socket. `close` breaks the connections off. */
export async function receiveStreams(options: StreamOptions = {}): Promise<Receiver> {
  const received: Buffer[] = [];
  const open = new Set<Socket>();
  const take = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    if (options.deaf) {
      socket.pause();
      return;
    }
    const place = received.push(Buffer.alloc(0)) - 1;
    socket.on('data', (chunk: Buffer) => {
      received[place] = Buffer.concat([received[place] as Buffer, chunk]);
      const answer = options.answer?.(chunk);
      if (answer) socket.write(answer);
    });
  };
  const server: Server = options.tls ? createTlsServer(options.tls, take) : createServer(take);
  const { at = 0 } = options;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (typeof at === 'string') server.listen(at, resolve);
    else server.listen(at, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return receiver(received, port, async () => {
    for (const socket of open) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
}

/** Takes datagrams on a unix socket, which Node has no class for. */
export function receiveDatagrams(path: string): Receiver {
  const { i32, u32, i64, u64, ptr } = FFIType;
  const libc = dlopen('libc.so.6', {
    socket: { args: [i32, i32, i32], returns: i32 },
    bind: { args: [i32, ptr, u32], returns: i32 },
    recv: { args: [i32, ptr, u64, i32], returns: i64 },
    close: { args: [i32], returns: i32 },
  });
  const [AF_UNIX, SOCK_DGRAM, MSG_DONTWAIT] = [1, 2, 0x40];
  const fd = libc.symbols.socket(AF_UNIX, SOCK_DGRAM, 0);
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  if (libc.symbols.bind(fd, address, address.length) !== 0) throw new Error(`cannot bind ${path}`);
  const received: Buffer[] = [];
  const buffer = Buffer.alloc(256 * 1024);
  const timer = setInterval(() => {
    for (;;) {
      const size = Number(libc.symbols.recv(fd, buffer, BigInt(buffer.length), MSG_DONTWAIT));
      if (size < 0) return;
      received.push(Buffer.from(buffer.subarray(0, size)));
    }
  }, 10);
  return receiver(received, 0, async () => {
    clearInterval(timer);
    libc.symbols.close(fd);
    if (existsSync(path)) unlinkSync(path);
  });
}
