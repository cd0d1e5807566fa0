import type { Reference } from '../oci/reference.ts';
import type { Authorizer } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import { type Endpoint, endpointUrl } from './endpoints.ts';
import type { RetryPolicy } from './retry.ts';
import type { Settings } from './settings.ts';
import { type HttpResponse, send } from './transport.ts';

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

  /**
   * GETs `path` of the repository, `manifests/latest` or `blobs/sha256:…`, with a token for pulling. A refused
   * token is replaced once. Any status may come back; only a missing answer throws.
   */
  async get(
    ref: Reference,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const url = endpointUrl(this.endpoint, `/v2/${ref.path}/${path}`);
    const scope = `repository:${ref.path}:pull`;
    const first = await this.#send(url, scope, headers, signal);
    if (first.status !== 401 || first.url.origin !== url.origin) return first;
    this.#authorizer.refused(parseChallenges(first.headers.get('www-authenticate')), scope);
    if (!(await this.#canRetry(scope, url, signal))) return first;
    first.discard();
    return this.#send(url, scope, headers, signal);
  }

  /** How often and how long this session repeats. */
  retryPolicy(signal: AbortSignal): RetryPolicy {
    const { maxAttempts, retryDelayMs } = this.#settings;
    return { maxAttempts, retryDelayMs, signal };
  }

  /** True when there is a header to send; the token for it is then in the cache. */
  async #canRetry(scope: string, url: URL, signal: AbortSignal): Promise<boolean> {
    return (await this.#authorizer.header(scope, { method: 'GET', url }, signal)) !== undefined;
  }

  async #send(
    url: URL,
    scope: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const authorization = await this.#authorizer.header(scope, { method: 'GET', url }, signal);
    return send({
      method: 'GET',
      url,
      headers: {
        'User-Agent': this.#settings.userAgent,
        ...headers,
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      signal,
      timeoutMs: this.#settings.idleTimeoutMs,
      insecure: this.endpoint.insecure,
      certificates: this.endpoint.certificates,
      proxyFor: this.#settings.proxyFor,
    });
  }
}
