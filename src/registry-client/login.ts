import { isKind, TareError } from '../base/errors.ts';
import { DEFAULT_DOMAIN } from '../oci/reference.ts';
import { Authorizer } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import { type Endpoint, endpointUrl, registryOf } from './endpoints.ts';
import type { RegistryCredentials } from './registry-client.ts';
import type { Settings } from './settings.ts';
import { type HttpResponse, send } from './transport.ts';

/** Names that all mean Docker Hub where a server is given. */
const HUB_NAMES = new Set(['', 'docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * The registry's domain in a server's address as users and configuration files write it:
 * `https://index.docker.io/v1/`, `host:5000`, `http://host/v2/`. Throws `invalid` for what is no address.
 */
export function domainOfServer(address: string): string {
  const text = /^https?:\/\//i.test(address) ? address : `https://${address}`;
  const rest = text.replace(/^https?:\/\//i, '').split(/[/?#]/)[0] ?? '';
  if (HUB_NAMES.has(rest.toLowerCase())) return DEFAULT_DOMAIN;
  if (!URL.canParse(`https://${rest}`) || rest.includes('@')) {
    throw new TareError('invalid', `unable to parse server address "${address}": use HOST or HOST:PORT`);
  }
  return rest;
}

/**
 * Checks credentials by asking the registry for its base, `GET /v2/`, as `docker login` does; mirrors are never
 * asked. Resolves with the identity token that the token server gave, or an empty text. Throws `unauthorized` in
 * Docker's words when the registry refuses; then no further address of it is tried.
 */
export async function checkLogin(
  domain: string,
  credentials: RegistryCredentials,
  settings: Settings,
  signal: AbortSignal,
): Promise<{ identityToken: string }> {
  const origin = await registryOf(domain, settings);
  let failure: unknown = new TareError('internal', `${domain} has no address`);
  for (const endpoint of origin.alternatives) {
    try {
      return await checkEndpoint(endpoint, credentials, settings, signal);
    } catch (error) {
      // Refused credentials are not sent again, least of all without TLS.
      if (!(error instanceof TareError) || isKind(error, 'unauthorized', 'forbidden', 'cancelled'))
        throw error;
      failure = error;
    }
  }
  throw failure;
}

async function checkEndpoint(
  endpoint: Endpoint,
  credentials: RegistryCredentials,
  settings: Settings,
  signal: AbortSignal,
): Promise<{ identityToken: string }> {
  const url = endpointUrl(endpoint, '/v2/');
  const ask = (authorization: string | undefined) =>
    send({
      method: 'GET',
      url,
      headers: {
        'User-Agent': settings.userAgent,
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      signal,
      timeoutMs: settings.connectTimeoutMs,
      insecure: endpoint.insecure,
      certificates: endpoint.certificates,
      proxyFor: settings.proxyFor,
    });
  const first = await ask(undefined);
  first.discard();
  const { insecure, certificates } = endpoint;
  const authorizer = new Authorizer(credentials, parseChallenges(first.headers.get('www-authenticate')), {
    insecure,
    certificates,
    timeoutMs: settings.connectTimeoutMs,
    userAgent: settings.userAgent,
    proxyFor: settings.proxyFor,
    offlineToken: true,
  });
  const authorization = await authorizer.header('', { method: 'GET', url }, signal);
  const response = authorization === undefined ? first : await ask(authorization);
  if (response !== first) response.discard();
  if (response.status === 200) return { identityToken: authorizer.refreshToken };
  throw refusal(url, response);
}

function refusal(url: URL, response: HttpResponse): TareError {
  const { status } = response;
  const words = `login attempt to ${url.href} failed with status: ${status} ${STATUS_WORDS[status] ?? ''}`;
  const kind = status === 401 ? 'unauthorized' : status === 403 ? 'forbidden' : 'unavailable';
  return new TareError(kind, words.trimEnd());
}

/** Go's http.StatusText for what registries answer. */
const STATUS_WORDS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
