import type { Reference } from '../oci/reference.ts';
import type { Authorizer, Scope } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import { type Endpoint, endpointUrl } from './endpoints.ts';
import type { RetryPolicy } from './retry.ts';
import type { Settings } from './settings.ts';
import { type HttpRequest, type HttpResponse, redirectTarget, send } from './transport.ts';

/** A request of the API. Bodies that are streams can be sent once only. */
export interface SessionRequest extends Pick<HttpRequest, 'method' | 'signal'> {
  readonly url: URL;
  readonly scope: Scope;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest['body'];
  /** Instead of the session's; see HttpRequest. */
  readonly timeoutMs?: number;
}

/** One endpoint with one user's credentials. */
export class RegistrySession {
  readonly endpoint: Endpoint;
  readonly #authorizer: Authorizer;
  readonly #settings: Settings;

  constructor(endpoint: Endpoint, authorizer: Authorizer, settings: Settings) {
    this.endpoint = endpoint;
    this.#authorizer = authorizer;
    this.#settings = settings;
  }

  /** GETs `path` of the repository, `manifests/latest` or `blobs/sha256:…`, with a token for pulling. */
  get(
    ref: Reference,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    return this.request({
      method: 'GET',
      url: this.url(`/v2/${ref.path}/${path}`),
      scope: `repository:${ref.path}:pull`,
      headers,
      signal,
    });
  }

  /** The address of a path of the API, `/v2/…`. */
  url(path: string): URL {
    return endpointUrl(this.endpoint, path);
  }

  /** The address that a `Location` names, which may be relative. Throws `unavailable`. */
  locationOf(response: HttpResponse): URL {
    const { insecure } = this.endpoint;
    return redirectTarget({ method: 'POST', insecure }, response.url, response.headers.get('location'));
  }

  /**
   * Sends a request. A refused token is replaced once and the request repeated, unless its body was a stream: then
   * the 401 comes back, and the next request has another token. Any status may come back; only a missing answer
   * throws. The token goes to this endpoint only: uploads may lead to a storage service.
   */
  async request(request: SessionRequest): Promise<HttpResponse> {
    const sent = await this.#authorization(request);
    const first = await this.#send(request, sent);
    if (first.status !== 401 || first.url.origin !== request.url.origin) return first;
    if (request.url.origin !== this.endpoint.url.origin) return first;
    this.#authorizer.refused(parseChallenges(first.headers.get('www-authenticate')), request.scope, sent);
    if (isStream(request.body)) return first;
    const again = await this.#authorization(request);
    if (again === undefined) return first;
    first.discard();
    return this.#send(request, again);
  }

  /** How often and how long this session repeats. */
  retryPolicy(signal: AbortSignal): RetryPolicy {
    const { maxAttempts, retryDelayMs } = this.#settings;
    return { maxAttempts, retryDelayMs, signal };
  }

  /** The header for a request; none for a storage service. */
  async #authorization(request: SessionRequest): Promise<string | undefined> {
    if (request.url.origin !== this.endpoint.url.origin) return undefined;
    return await this.#authorizer.header(request.scope, request, request.signal);
  }

  #send(request: SessionRequest, authorization: string | undefined): Promise<HttpResponse> {
    const { method, url, signal, body } = request;
    return send({
      method,
      url,
      headers: {
        'User-Agent': this.#settings.userAgent,
        ...request.headers,
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      ...(body === undefined ? {} : { body }),
      signal,
      timeoutMs: request.timeoutMs ?? this.#settings.idleTimeoutMs,
      insecure: this.endpoint.insecure,
      certificates: this.endpoint.certificates,
      proxyFor: this.#settings.proxyFor,
    });
  }
}

function isStream(body: SessionRequest['body']): boolean {
  return body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array);
}
