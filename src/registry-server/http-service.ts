import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Action, Authenticator, Caller } from './auth/caller.ts';
import { TOKEN_PATH, type TokenIssuer } from './auth/token-issuer.ts';
import type { Place } from './handlers/exchange.ts';
import { listRepositories } from './handlers/lists.ts';
import { checkName, isName } from './names.ts';
import { errorResponse, RegistryError } from './registry-error.ts';
import type { RegistryReader } from './registry-server.ts';
import type { RequestLog } from './request-log.ts';
import { type Endpoint, endpoints, type Operation } from './routes.ts';

export interface HttpServiceParts {
  /** Where a repository is; `namespace` is the `ns` query by which containerd names the registry it means. */
  readonly placeOf: (repository: string, namespace: string | undefined) => Place;
  /** Lists the repositories. */
  readonly catalog: RegistryReader;
  readonly authenticator: Authenticator;
  /** Gives out tokens at `/token`. */
  readonly tokens: TokenIssuer | undefined;
  readonly maxManifestSize: number;
  readonly requests: RequestLog;
  readonly log: Logger;
}

/** Answers requests: finds the endpoint, the caller and the repository, and turns errors into answers. */
export class HttpService {
  readonly #parts: HttpServiceParts;
  readonly #endpoints: readonly Endpoint[];

  constructor(parts: HttpServiceParts) {
    this.#parts = parts;
    this.#endpoints = endpoints(parts.maxManifestSize);
  }

  /** Never rejects. `remote` is the client's address. */
  async handle(request: Request, remote: string): Promise<Response> {
    const begin = performance.now();
    const seen = { endpoint: 'other', caller: '-' };
    const url = new URL(request.url);
    let response: Response;
    try {
      response = await this.#answer(request, url, seen);
    } catch (error) {
      response = errorResponse(error);
      if (response.status === 500) {
        const stack = error instanceof Error ? error.stack : undefined;
        this.#parts.log.error('request failed', { path: url.pathname, error: stack ?? messageOf(error) });
      }
      // Bytes that nobody reads would keep the connection from its next request.
      await request.body?.cancel().catch(() => {});
    }
    response.headers.set('Docker-Distribution-Api-Version', 'registry/2.0');
    response.headers.set('X-Content-Type-Options', 'nosniff');
    this.#parts.requests.add({ request, url, response, remote, begin, ...seen });
    return response;
  }

  async #answer(request: Request, url: URL, seen: { endpoint: string; caller: string }): Promise<Response> {
    const { authenticator } = this.#parts;
    const identify = async (): Promise<Caller> => {
      const caller = await authenticator.identify(request.headers.get('authorization')).catch((error) => {
        throw withChallenge(error, authenticator.challenge(undefined, url.origin));
      });
      seen.caller = caller.name;
      return caller;
    };
    if (url.pathname === '/v2/' || url.pathname === '/v2') {
      seen.endpoint = 'ping';
      const caller = await identify();
      if (authenticator.guardsPing && caller.anonymous) throw this.#unauthorized(undefined, url);
      return readOnly(request) ?? Response.json({});
    }
    const { tokens } = this.#parts;
    if (tokens !== undefined && url.pathname === TOKEN_PATH) {
      seen.endpoint = 'token';
      return tokens.handle(request, url);
    }
    if (url.pathname === '/v2/_catalog') {
      seen.endpoint = 'catalog';
      return this.#catalog(request, url, await identify());
    }
    for (const endpoint of this.#endpoints) {
      const match = endpoint.pattern.exec(url.pathname);
      if (match === null) continue;
      seen.endpoint = endpoint.name;
      const operation = ownMethod(endpoint, request.method);
      if (operation === undefined) throw wrongMethod(Object.keys(endpoint.methods));
      const name = match[1] ?? '';
      checkName(name);
      const place = this.#parts.placeOf(name, url.searchParams.get('ns') ?? undefined);
      const caller = await identify();
      this.#authorize(caller, place.scope, operation.action, url);
      return operation.handler({
        request,
        url,
        repository: name,
        reference: decode(match[2]),
        caller,
        place,
      });
    }
    throw new RegistryError('UNSUPPORTED', { status: 404, message: `nothing is at ${url.pathname}` });
  }

  async #catalog(request: Request, url: URL, caller: Caller): Promise<Response> {
    const refused = readOnly(request);
    if (refused !== undefined) return refused;
    if (caller.anonymous && !caller.mayList && this.#parts.authenticator.guardsPing) {
      throw this.#unauthorized('registry:catalog:*', url);
    }
    return listRepositories(url, this.#parts.catalog, (name) => caller.mayList || caller.may(name, 'pull'));
  }

  #authorize(caller: Caller, repository: string, action: Action, url: URL): void {
    if (caller.may(repository, action)) return;
    const actions = action === 'push' ? 'pull,push' : action;
    const from = url.searchParams.get('from');
    const source = action === 'push' && from !== null && isName(from) ? ` repository:${from}:pull` : '';
    const scope = `repository:${repository}:${actions}${source}`;
    const challenge = this.#parts.authenticator.challenge(scope, url.origin);
    const bearer = challenge?.startsWith('Bearer') === true;
    // A token can be too narrow and another one may do; of a user with a password more cannot come.
    if (caller.anonymous || bearer) throw withChallenge(new RegistryError('UNAUTHORIZED'), challenge);
    throw new RegistryError('DENIED', { detail: { repository, action } });
  }

  #unauthorized(scope: string | undefined, url: URL): unknown {
    return withChallenge(
      new RegistryError('UNAUTHORIZED'),
      this.#parts.authenticator.challenge(scope, url.origin),
    );
  }
}

function ownMethod(endpoint: Endpoint, method: string): Operation | undefined {
  return Object.hasOwn(endpoint.methods, method) ? endpoint.methods[method] : undefined;
}

function readOnly(request: Request): Response | undefined {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  return errorResponse(wrongMethod(['GET', 'HEAD']));
}

function wrongMethod(allowed: readonly string[]): RegistryError {
  return new RegistryError('UNSUPPORTED', { headers: { Allow: allowed.join(', ') } });
}

function withChallenge(error: unknown, challenge: string | undefined): unknown {
  if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED' || challenge === undefined)
    return error;
  const { message, detail } = error;
  return new RegistryError('UNAUTHORIZED', { message, detail, headers: { 'WWW-Authenticate': challenge } });
}

/** Digests may come with their colon escaped. */
function decode(reference: string | undefined): string {
  try {
    return decodeURIComponent(reference ?? '');
  } catch {
    return reference ?? '';
  }
}
