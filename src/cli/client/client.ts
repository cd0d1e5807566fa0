import { PROGRAM } from '../program.ts';
import type { ByteStream } from './byte-stream.ts';
import type { Endpoint } from './endpoint.ts';
import { type HttpRequest, type HttpResponse, sendRequest } from './http.ts';

/** The newest Engine API that this client knows. */
export const API_VERSION = '1.51';

/** The daemon answered with an error; `message` is its own. */
export class DaemonError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** No daemon answers; `message` says what to do. */
export class NoDaemonError extends Error {}

/** Values of a query; undefined ones are left out, true is `1`. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, with the content type of `headers`. */
  readonly body?: AsyncIterable<Uint8Array> | Uint8Array;
}

export interface ClientOptions {
  readonly endpoint: Endpoint;
  /** DOCKER_API_VERSION: used as it is, without negotiation. */
  readonly pinnedVersion?: string | undefined;
  /** Called when nobody listens at the default address: starts a daemon; false: could not. */
  readonly startDaemon?: (() => Promise<boolean>) | undefined;
}

/** True when API version `left` is older than `right`. */
export function olderVersion(left: string, right: string): boolean {
  const [leftMajor = 0, leftMinor = 0] = left.split('.').map(Number);
  const [rightMajor = 0, rightMinor = 0] = right.split('.').map(Number);
  return leftMajor < rightMajor || (leftMajor === rightMajor && leftMinor < rightMinor);
}

function encodeQuery(query: Query | undefined): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === false) continue;
    const values = Array.isArray(value) ? value : [value === true ? '1' : String(value)];
    for (const one of values) parts.push(`${name}=${encodeURIComponent(one)}`);
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

/**
 * Speaks the Engine API to one daemon. The API version is not negotiated by a request of its own: the first
 * request asks for the newest version; a daemon that finds it too new says which it has, and the request is
 * repeated with that one.
 */
export class EngineClient {
  readonly endpoint: Endpoint;
  readonly #pinned: boolean;
  readonly #startDaemon: (() => Promise<boolean>) | undefined;
  #version: string;
  #negotiated: boolean;

  constructor(options: ClientOptions) {
    this.endpoint = options.endpoint;
    this.#pinned = options.pinnedVersion !== undefined && options.pinnedVersion !== '';
    this.#version = this.#pinned ? options.pinnedVersion!.replace(/^v/, '') : API_VERSION;
    this.#negotiated = this.#pinned;
    this.#startDaemon = options.startDaemon;
  }

  /** The version in use; certain after the first answer. */
  get apiVersion(): string {
    return this.#version;
  }

  /**
   * Sends a request and returns an answer with a status below 400.
   * @throws DaemonError for an error's answer; NoDaemonError when nobody listens.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<HttpResponse> {
    const response = await this.#negotiatedRequest(method, path, options, false);
    if (response.status >= 400) throw await errorOf(response);
    return response;
  }

  /** Sends a request and reads its answer as JSON of type `T`. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const text = await readText(await this.request(method, path, options));
    return (text.trim() === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Sends a request and reads its answer to the end, for answers that say nothing. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<void> {
    await readText(await this.request(method, path, options));
  }

  /** Sends a request and yields the JSON values of its answer as they arrive. */
  async *messages<T>(
    method: string,
    path: string,
    options: RequestOptions = {},
    parse: (line: string) => unknown = JSON.parse,
  ): AsyncGenerator<T> {
    const response = await this.request(method, path, options);
    try {
      yield* jsonLines<T>(response.body, parse);
    } finally {
      response.stream.close();
    }
  }

  /** Asks for the raw connection behind an endpoint, as attach and exec do. */
  async hijack(
    path: string,
    options: RequestOptions = {},
  ): Promise<{ stream: ByteStream; multiplexed: boolean }> {
    const response = await this.#negotiatedRequest('POST', path, options, true);
    if (response.status >= 400) throw await errorOf(response);
    if (response.status !== 101 && response.status !== 200) {
      throw new DaemonError(response.status, `unable to upgrade to tcp, received ${response.status}`);
    }
    const type = response.headers.get('content-type');
    return { stream: response.stream, multiplexed: type === 'application/vnd.docker.multiplexed-stream' };
  }

  async #negotiatedRequest(
    method: string,
    path: string,
    options: RequestOptions,
    upgrade: boolean,
  ): Promise<HttpResponse> {
    if (!this.#negotiated && options.body !== undefined) await this.ping();
    const response = await this.#attempt(method, path, options, upgrade);
    if (this.#negotiated) return response;
    this.#negotiated = true;
    const offered = response.headers.get('api-version');
    if (response.status !== 400) {
      if (offered !== undefined && olderVersion(offered, this.#version)) this.#version = offered;
      return response;
    }
    const failure = await errorOf(response);
    const newest = /Maximum supported API version is (\d+\.\d+)/.exec(failure.message)?.[1];
    if (newest === undefined) throw failure;
    this.#version = newest;
    return await this.#attempt(method, path, options, upgrade);
  }

  /** Learns the daemon's API version; needed only before a body that cannot be sent twice. */
  async ping(): Promise<void> {
    const response = await this.#connected({ method: 'GET', path: '/_ping' });
    await readText(response);
    const offered = response.headers.get('api-version');
    if (!this.#pinned && offered !== undefined && olderVersion(offered, this.#version))
      this.#version = offered;
    this.#negotiated = true;
  }

  #attempt(method: string, path: string, options: RequestOptions, upgrade: boolean): Promise<HttpResponse> {
    const json = options.json === undefined ? undefined : JSON.stringify(options.json);
    const body = json ?? options.body;
    return this.#connected({
      method,
      path: `/v${this.#version}${path}${encodeQuery(options.query)}`,
      headers: { ...options.headers, ...(json === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(body === undefined ? {} : { body }),
      upgrade,
    });
  }

  async #connected(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await sendRequest(this.endpoint.socketPath, request);
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      const nobodyListens = code === 'ENOENT' || code === 'ECONNREFUSED';
      if (nobodyListens && this.#startDaemon !== undefined && (await this.#startDaemon())) {
        return await sendRequest(this.endpoint.socketPath, request);
      }
      if (nobodyListens) throw new NoDaemonError(noDaemonMessage(this.endpoint));
      if (code === 'EACCES' || code === 'EPERM') {
        throw new NoDaemonError(
          `permission denied while trying to connect to the daemon socket at ${this.endpoint.host}: ` +
            "run this as root, or as a member of the socket's group",
        );
      }
      throw error;
    }
  }
}

function noDaemonMessage(endpoint: Endpoint): string {
  const address = endpoint.isDefault ? '' : ` -H ${endpoint.host}`;
  return (
    `Cannot connect to the Tare daemon at ${endpoint.host}. Is the tare daemon running?\n` +
    `Start it with: ${PROGRAM} daemon${address}${process.getuid?.() === 0 ? '' : ' (as root)'}`
  );
}

/** Reads an answer's body as text. */
export async function readText(response: HttpResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body) text += decoder.decode(chunk, { stream: true });
  response.stream.close();
  return text + decoder.decode();
}

async function errorOf(response: HttpResponse): Promise<DaemonError> {
  const text = await readText(response);
  try {
    const parsed: unknown = JSON.parse(text);
    const message = (parsed as { message?: unknown } | null)?.message;
    if (typeof message === 'string') return new DaemonError(response.status, message.trimEnd());
  } catch {
    // Not JSON: a proxy's page or plain text.
  }
  return new DaemonError(
    response.status,
    text.trim() || `the daemon answered with status ${response.status}`,
  );
}

/** The values, one a line, of a stream cut anywhere. */
async function* jsonLines<T>(
  body: AsyncIterable<Uint8Array>,
  parse: (line: string) => unknown,
): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== '') yield parse(line) as T;
  }
  if (rest.trim() !== '') yield parse(rest) as T;
}
