/**
 * One connection to the daemon's socket, read by pulling and written with backpressure. Bun's own sockets and
 * not `node:net` or `node:http`: loading those costs a short command several milliseconds.
 */
interface SocketState {
  readonly chunks: Uint8Array[];
  queued: number;
  paused: boolean;
  ended: boolean;
  failure: Error | undefined;
  wakeReader: (() => void) | undefined;
  wakeWriter: (() => void) | undefined;
}

type UnixSocket = Bun.Socket<SocketState>;

/** Bytes waiting for the reader above which the socket is paused. */
const QUEUE_LIMIT = 1024 * 1024;

const handlers: Bun.SocketHandler<SocketState> = {
  data(socket, chunk) {
    const state = socket.data;
    // The chunk's memory is reused after this call.
    state.chunks.push(new Uint8Array(chunk));
    state.queued += chunk.length;
    if (state.queued > QUEUE_LIMIT && !state.paused) {
      state.paused = true;
      socket.pause();
    }
    state.wakeReader?.();
  },
  drain(socket) {
    socket.data.wakeWriter?.();
  },
  end(socket) {
    finish(socket.data);
  },
  close(socket, error) {
    finish(socket.data, error ?? undefined);
  },
  error(socket, error) {
    finish(socket.data, error);
  },
};

function finish(state: SocketState, failure?: Error): void {
  state.ended = true;
  state.failure ??= failure;
  state.wakeReader?.();
  state.wakeWriter?.();
}

/** The daemon hung up while bytes were to be written. */
export class ConnectionLost extends Error {
  constructor() {
    super('the connection to the daemon was closed');
  }
}

export class ByteStream {
  readonly #socket: UnixSocket;

  private constructor(socket: UnixSocket) {
    this.#socket = socket;
  }

  /**
   * Connects to a unix socket.
   * @throws Error of the system with its `code` (ENOENT, ECONNREFUSED, EACCES).
   */
  static async connect(path: string): Promise<ByteStream> {
    const socket = await Bun.connect<SocketState>({
      unix: path,
      // The daemon may end its half first and the other way round: `cat f | tare run -i busybox wc`.
      allowHalfOpen: true,
      data: {
        chunks: [],
        queued: 0,
        paused: false,
        ended: false,
        failure: undefined,
        wakeReader: undefined,
        wakeWriter: undefined,
      },
      socket: handlers,
    });
    return new ByteStream(socket);
  }

  /** The next bytes, or undefined at the end of the stream. */
  async read(): Promise<Uint8Array | undefined> {
    const state = this.#socket.data;
    while (state.chunks.length === 0) {
      if (state.ended) {
        if (state.failure !== undefined) throw state.failure;
        return undefined;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      state.wakeReader = resolve;
      await promise;
      state.wakeReader = undefined;
    }
    const chunk = state.chunks.shift()!;
    state.queued -= chunk.length;
    if (state.paused && state.queued < QUEUE_LIMIT / 2) {
      state.paused = false;
      this.#socket.resume();
    }
    return chunk;
  }

  /** Gives bytes back to be read next. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#socket.data.chunks.unshift(bytes);
    this.#socket.data.queued += bytes.length;
  }

  /**
   * Writes all bytes, waiting while the daemon doesn't take them.
   * @throws Error when the connection is gone.
   */
  async write(bytes: Uint8Array | string): Promise<void> {
    const state = this.#socket.data;
    let rest = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    for (;;) {
      if (state.ended) throw new ConnectionLost();
      const written = this.#socket.write(rest);
      if (written < 0) throw new ConnectionLost();
      if (written === rest.length) return;
      rest = rest.subarray(written);
      const { promise, resolve } = Promise.withResolvers<void>();
      state.wakeWriter = resolve;
      await promise;
      state.wakeWriter = undefined;
    }
  }

  /** Says that nothing more will be written; reading goes on. */
  endWrite(): void {
    this.#socket.shutdown();
  }

  /** Closes both directions. */
  close(): void {
    this.#socket.end();
  }
}
