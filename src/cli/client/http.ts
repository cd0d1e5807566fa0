import { ByteStream, ConnectionLost } from './byte-stream.ts';

/**
 * As much of HTTP/1.1 as a client of the Engine API needs: one request a connection, bodies by length, in
 * chunks or until the end, and upgraded connections (attach, exec) as raw bytes in both directions.
 */
export interface HttpRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text or bytes are sent with their length; an iterable is sent in chunks. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Ask for the raw connection. */
  readonly upgrade?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The body's bytes as they arrive. To be iterated at most once. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The connection; after an upgrade its bytes belong to the caller. */
  readonly stream: ByteStream;
}

const decoder = new TextDecoder();

/** Thrown when the peer's bytes are not HTTP or end too early. */
export class ProtocolError extends Error {}

/** Reads lines and counted bytes from a stream. */
class Reader {
  readonly #stream: ByteStream;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** The next line without its end. */
  async line(): Promise<string> {
    let text = '';
    for (;;) {
      const chunk = await this.#stream.read();
      if (chunk === undefined)
        throw new ProtocolError('the daemon closed the connection in the middle of an answer');
      const end = chunk.indexOf(10);
      if (end < 0) {
        text += decoder.decode(chunk);
        continue;
      }
      this.#stream.unread(chunk.subarray(end + 1));
      text += decoder.decode(chunk.subarray(0, end));
      return text.endsWith('\r') ? text.slice(0, -1) : text;
    }
  }

  async *counted(length: number): AsyncGenerator<Uint8Array> {
    let remaining = length;
    while (remaining > 0) {
      const chunk = await this.#stream.read();
      if (chunk === undefined) throw new ProtocolError('unexpected EOF');
      const part = chunk.length > remaining ? chunk.subarray(0, remaining) : chunk;
      if (part.length < chunk.length) this.#stream.unread(chunk.subarray(part.length));
      remaining -= part.length;
      yield part;
    }
  }

  async *chunked(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const size = Number.parseInt(await this.line(), 16);
      if (Number.isNaN(size)) throw new ProtocolError('malformed chunked encoding');
      if (size > 0) yield* this.counted(size);
      const end = await this.line();
      if (size === 0) {
        // Trailers, which nobody needs, end with an empty line.
        for (let line = end; line !== ''; ) line = await this.line();
        return;
      }
    }
  }

  async *untilEnd(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = await this.#stream.read();
      if (chunk === undefined) return;
      yield chunk;
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function requestHead(request: HttpRequest): string {
  let head = `${request.method} ${request.path} HTTP/1.1\r\nHost: tare\r\n`;
  for (const [name, value] of Object.entries(request.headers ?? {})) head += `${name}: ${value}\r\n`;
  head += request.upgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : 'Connection: close\r\n';
  const { body } = request;
  if (typeof body === 'string') head += `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  else if (body instanceof Uint8Array) head += `Content-Length: ${body.length}\r\n`;
  else if (body !== undefined) head += 'Transfer-Encoding: chunked\r\n';
  else if (request.method !== 'GET' && request.method !== 'HEAD') head += 'Content-Length: 0\r\n';
  return `${head}\r\n`;
}

/** Sends a body in chunks. When the body's source fails, the connection is closed so that nobody waits for it. */
async function sendChunks(stream: ByteStream, body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of body) {
      if (chunk.length === 0) continue;
      await stream.write(`${chunk.length.toString(16)}\r\n`);
      await stream.write(chunk);
      await stream.write('\r\n');
    }
    await stream.write('0\r\n\r\n');
  } catch (error) {
    // After a lost connection an answer may still wait to be read: why the daemon hung up.
    if (!(error instanceof ConnectionLost)) stream.close();
    throw error;
  }
}

async function readHead(reader: Reader): Promise<{ status: number; headers: Map<string, string> }> {
  const first = await reader.line();
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1];
  if (status === undefined)
    throw new ProtocolError(`malformed HTTP response ${JSON.stringify(first.slice(0, 40))}`);
  const headers = new Map<string, string>();
  for (let line = await reader.line(); line !== ''; line = await reader.line()) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
}

function responseBody(
  reader: Reader,
  method: string,
  status: number,
  headers: ReadonlyMap<string, string>,
): AsyncIterable<Uint8Array> {
  if (method === 'HEAD' || status === 204 || status === 304) return nothing();
  if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return reader.chunked();
  const length = headers.get('content-length');
  return length === undefined ? reader.untilEnd() : reader.counted(Number(length));
}

/**
 * Sends a request on a connection of its own and reads the answer's head.
 * @throws the system's error when nobody listens at `socketPath`; ProtocolError for a broken answer.
 */
export async function sendRequest(socketPath: string, request: HttpRequest): Promise<HttpResponse> {
  const stream = await ByteStream.connect(socketPath);
  const reader = new Reader(stream);
  const { body } = request;
  let sending: Promise<void> | undefined;
  if (body === undefined || typeof body === 'string') {
    await stream.write(requestHead(request) + (body ?? ''));
  } else {
    await stream.write(requestHead(request));
    if (body instanceof Uint8Array) await stream.write(body);
    else {
      // The daemon may answer with an error before it has read everything; its answer says more than EPIPE.
      sending = sendChunks(stream, body);
      sending.catch(() => {});
    }
  }
  let head = await readHead(reader).catch(async (error: unknown) => {
    await sending;
    throw error;
  });
  while (head.status === 100 || (head.status > 101 && head.status < 200)) head = await readHead(reader);
  const { status, headers } = head;
  return { status, headers, body: responseBody(reader, request.method, status, headers), stream };
}
