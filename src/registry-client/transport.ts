import { getCACertificates, rootCertificates } from 'node:tls';
import { cancellation, throwIfCancelled } from '../base/cancellation.ts';
import { TareError, wrapError } from '../base/errors.ts';
import { streamOf } from '../base/streams.ts';
import { connectionFailure, describeRequest, RetryableError } from './failures.ts';
import { type HostCertificates, NO_CERTIFICATES } from './host-certificates.ts';
import { isLoopback, type ProxyChoice } from './proxies.ts';

const REDIRECT_LIMIT = 10;
/** Bytes that are cheaper to read than a new connection. */
const DISCARD_LIMIT = 32 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is sent as fast as the server takes it: with its length when `Content-Length` says it, else in chunks. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /**
   * Longest wait, in milliseconds: until the server takes a piece of the body, then for the answer's headers, then
   * for each piece of the answer's body.
   */
  readonly timeoutMs: number;
  /** Do not verify certificates, and allow http after https. Counts for the first host only. */
  readonly insecure: boolean;
  /** Counts for the first host only. */
  readonly certificates: HostCertificates;
  /** Asked for each hop of a redirect. */
  readonly proxyFor: ProxyChoice;
}

/** An answer whose body is still coming. Read it with `body`, or `discard` it. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Where it came from after redirects. */
  readonly url: URL;
  /** Chunks of the body; a silence longer than the timeout, or a cut, throws a RetryableError. */
  body(): AsyncGenerator<Uint8Array>;
  /** Closes the connection without reading on. */
  discard(): void;
}

/**
 * Sends a request and follows redirects of GET and HEAD. `Authorization` goes only to the origin it was made for: blobs are
 * often redirected to a storage service, which must never see the registry's token. Throws RetryableError
 * (`unavailable`, `timeout`) when there is no answer.
 */
export async function send(request: HttpRequest): Promise<HttpResponse> {
  let { url } = request;
  let headers = request.headers;
  for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
    const response = await sendOnce({ ...request, url, headers }, url.host === request.url.host);
    const location = response.headers.get('location');
    if (!REDIRECTS.has(response.status) || location === null || !isRead(request)) return response;
    response.discard();
    const target = redirectTarget(request, url, location);
    if (target.origin !== url.origin) headers = withoutAuthorization(headers);
    url = target;
  }
  throw new TareError(
    'unavailable',
    `${describeRequest(request.method, request.url)}: stopped after ${REDIRECT_LIMIT} redirects`,
  );
}

function isRead({ method }: HttpRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

/**
 * Where a server sends a request next, by a redirect or the `Location` of an upload. Throws `unavailable` for what
 * is no address, and for one that would give up TLS.
 */
export function redirectTarget(
  request: Pick<HttpRequest, 'method' | 'insecure'>,
  from: URL,
  location: string | null,
): URL {
  const refuse = (reason: string) =>
    new TareError('unavailable', `${describeRequest(request.method, from)}: ${reason}`);
  if (location === null || !URL.canParse(location, from.href))
    throw refuse('the server sent no valid Location');
  const target = new URL(location, from);
  if (target.protocol !== 'https:' && target.protocol !== 'http:') {
    throw refuse(`redirect to the unsupported protocol ${target.protocol}`);
  }
  if (from.protocol === 'https:' && target.protocol === 'http:' && !request.insecure) {
    throw refuse('redirect from https to http refused');
  }
  target.username = '';
  target.password = '';
  return target;
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  );
}

async function sendOnce(request: HttpRequest, firstHost: boolean): Promise<HttpResponse> {
  throwIfCancelled(request.signal);
  const watch = new Watch(request);
  try {
    const response = await fetch(request.url.href, {
      method: request.method,
      // Digests are over the bytes as they are stored: no coding in between.
      headers: { 'Accept-Encoding': 'identity', ...request.headers },
      redirect: 'manual',
      decompress: false,
      timeout: false,
      signal: watch.signal,
      ...(request.body === undefined ? {} : { body: bodyOf(request.body, watch) }),
      // Without a word Bun would take one from the environment.
      proxy: isLoopback(request.url) ? false : (request.proxyFor(request.url) ?? false),
      ...(request.url.protocol === 'https:' ? { tls: tlsOptions(request, firstHost) } : {}),
    });
    watch.stop();
    return {
      status: response.status,
      headers: response.headers,
      url: request.url,
      body: () => readBody(request, response, watch),
      discard: () => discardBody(request, response, watch),
    };
  } catch (error) {
    throw watch.explain(error);
  }
}

function bodyOf(body: NonNullable<HttpRequest['body']>, watch: Watch): NonNullable<RequestInit['body']> {
  return typeof body === 'string' || body instanceof Uint8Array ? body : streamOf(watched(body, watch));
}

async function* watched(source: AsyncIterable<Uint8Array>, watch: Watch): AsyncGenerator<Uint8Array> {
  // Only the server's time counts, not the time that a piece takes to be made.
  watch.stop();
  try {
    for await (const piece of source) {
      watch.start();
      yield piece;
      watch.stop();
    }
    watch.start();
  } catch (error) {
    watch.sourceError = error;
    throw error;
  }
}

function tlsOptions(
  request: HttpRequest,
  firstHost: boolean,
): { rejectUnauthorized: boolean; ca?: string[]; cert?: string; key?: string } {
  const { authorities, clients } = firstHost ? request.certificates : NO_CERTIFICATES;
  const [client] = clients;
  return {
    rejectUnauthorized: !(request.insecure && firstHost),
    // `ca` replaces all that would be trusted without it, and Docker's certs.d only adds to that.
    ...(authorities.length === 0
      ? {}
      : { ca: [...rootCertificates, ...getCACertificates('system'), ...authorities] }),
    ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
  };
}

/** Reads a short body to its end, so that the connection can be used again; closes on a long one. */
function discardBody({ method }: HttpRequest, response: Response, watch: Watch): void {
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  if (method !== 'HEAD' && !(length <= DISCARD_LIMIT)) {
    watch.abort();
    return;
  }
  watch.start();
  response
    .arrayBuffer()
    .catch(() => {})
    .finally(() => watch.stop());
}

async function* readBody(request: HttpRequest, response: Response, watch: Watch): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      watch.start();
      const { done, value } = await reader.read();
      watch.stop();
      if (done) break;
      yield value;
    }
    throwIfCancelled(request.signal);
  } catch (error) {
    throw watch.explain(error);
  } finally {
    watch.abort();
  }
}

/** Aborts a request that stays silent for too long, and tells that from the caller's own abort. */
class Watch {
  readonly #request: HttpRequest;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timedOut = false;
  /** What kept the body from being sent: that is no fault of the server. */
  sourceError: unknown;
  readonly signal: AbortSignal;

  constructor(request: HttpRequest) {
    this.#request = request;
    this.signal = AbortSignal.any([request.signal, this.#controller.signal]);
    this.start();
  }

  start(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      this.#controller.abort();
    }, this.#request.timeoutMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  abort(): void {
    this.stop();
    this.#controller.abort();
  }

  explain(error: unknown): TareError {
    this.stop();
    const { signal, method, url, timeoutMs } = this.#request;
    if (signal.aborted) return cancellation(signal);
    if (this.sourceError !== undefined) return wrapError(this.sourceError, 'cannot read what is to be sent');
    if (error instanceof TareError) return error;
    if (!this.#timedOut) return connectionFailure(method, url, error);
    const seconds = timeoutMs / 1000;
    return new RetryableError(
      'timeout',
      `${describeRequest(method, url)}: no answer within ${seconds} s (i/o timeout)`,
      { cause: error },
    );
  }
}

/** A whole body, or a RetryableError; `corrupt` when it is longer than `limit` bytes. */
export async function readAll(response: HttpResponse, limit: number, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body()) {
    length += chunk.byteLength;
    if (length > limit) throw new TareError('corrupt', `${what} is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : new Uint8Array(Buffer.concat(chunks));
}
