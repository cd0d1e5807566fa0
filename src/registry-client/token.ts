import { TareError } from '../base/errors.ts';
import { basicHeader } from './basic-header.ts';
import type { Challenge } from './challenge.ts';
import {
  describeRequest,
  ERROR_BODY_LIMIT,
  parseRegistryError,
  RetryableError,
  registryErrorText,
  retryAfterOf,
} from './failures.ts';
import type { HostCertificates } from './host-certificates.ts';
import type { ProxyChoice } from './proxies.ts';
import type { RegistryCredentials } from './registry-client.ts';
import { type HttpRequest, type HttpResponse, readAll, send } from './transport.ts';

/** Longest token answer in bytes. */
const TOKEN_BODY_LIMIT = 1024 * 1024;
/** A token without `expires_in` lives 60 seconds (distribution's token specification). */
const DEFAULT_LIFETIME_S = 60;
const CLIENT_ID = 'tare';

/** How to reach a token server. */
export interface TokenContext {
  readonly insecure: boolean;
  readonly certificates: HostCertificates;
  readonly proxyFor: ProxyChoice;
  readonly timeoutMs: number;
  readonly userAgent: string;
  /** Asks for a refresh token, too: a login's wish. */
  readonly offlineToken?: boolean;
}

/** What a token server gave. */
export interface FetchedToken {
  readonly token: string;
  readonly lifetimeMs: number;
  /** Stands for user and password from now on; undefined when the server gives none. */
  readonly refreshToken: string | undefined;
}

interface TokenRequest extends TokenContext {
  /** The registry request that needs the token; errors name it. */
  readonly request: { readonly method: string; readonly url: URL };
  readonly signal: AbortSignal;
}

/**
 * Asks the token server that a Bearer challenge names. With an identity token that is an OAuth2 refresh (POST),
 * else a GET with the user's Basic credentials, or with none for an anonymous token. Throws `unauthorized` when
 * the server refuses.
 */
export async function fetchToken(
  challenge: Challenge,
  scope: string,
  credentials: RegistryCredentials,
  context: TokenRequest,
): Promise<FetchedToken> {
  const prefix = describeRequest(context.request.method, context.request.url);
  const realm = realmOf(challenge, credentials, context, prefix);
  const { service } = challenge.parameters;
  const response = credentials.identityToken
    ? await send(refreshRequest(realm, service, scope, credentials.identityToken, context))
    : await send(tokenRequest(realm, service, scope, credentials, context));
  if (response.status !== 200) throw await refusal(response, prefix);
  const body = await readAll(response, TOKEN_BODY_LIMIT, 'token answer');
  return readToken(new TextDecoder().decode(body), prefix);
}

function realmOf(
  challenge: Challenge,
  credentials: RegistryCredentials,
  context: TokenRequest,
  prefix: string,
): URL {
  const realm = challenge.parameters.realm ?? '';
  if (!URL.canParse(realm))
    throw new TareError('unavailable', `${prefix}: no valid realm in the auth challenge`);
  const url = new URL(realm);
  const secret = credentials.identityToken || credentials.username;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && (context.insecure || !secret))) {
    throw new TareError(
      'unavailable',
      `${prefix}: credentials are not sent to the token server ${url.origin} without TLS`,
    );
  }
  return url;
}

function tokenRequest(
  realm: URL,
  service: string | undefined,
  scope: string,
  credentials: RegistryCredentials,
  context: TokenRequest,
): HttpRequest {
  const url = new URL(realm);
  if (service) url.searchParams.append('service', service);
  for (const each of scope.split(' ')) if (each !== '') url.searchParams.append('scope', each);
  if (context.offlineToken) {
    url.searchParams.append('offline_token', 'true');
    url.searchParams.append('client_id', CLIENT_ID);
  }
  const basic = basicHeader(credentials);
  if (basic !== undefined && credentials.username) url.searchParams.append('account', credentials.username);
  const authorization = basic === undefined ? {} : { Authorization: basic };
  return {
    ...baseRequest(context),
    method: 'GET',
    url,
    headers: { ...headersOf(context), ...authorization },
  };
}

function refreshRequest(
  realm: URL,
  service: string | undefined,
  scope: string,
  identityToken: string,
  context: TokenRequest,
): HttpRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    service: service ?? '',
    client_id: CLIENT_ID,
    refresh_token: identityToken,
  });
  if (scope !== '') form.set('scope', scope);
  if (context.offlineToken) form.set('access_type', 'offline');
  const headers = { ...headersOf(context), 'Content-Type': 'application/x-www-form-urlencoded' };
  return { ...baseRequest(context), method: 'POST', url: realm, headers, body: form.toString() };
}

function headersOf(context: TokenContext): Record<string, string> {
  return { Accept: 'application/json', 'User-Agent': context.userAgent };
}

function baseRequest(context: TokenRequest) {
  const { signal, timeoutMs, insecure, certificates, proxyFor } = context;
  return { signal, timeoutMs, insecure, certificates, proxyFor };
}

async function refusal(response: HttpResponse, prefix: string): Promise<TareError> {
  const text = new TextDecoder().decode(await readAll(response, ERROR_BODY_LIMIT, 'error answer'));
  const words = registryErrorText(parseRegistryError(text), response.status);
  if (response.status >= 500 || response.status === 429) {
    return new RetryableError('unavailable', `${prefix}: ${words}`, {
      retryAfterMs: retryAfterOf(response.headers),
    });
  }
  return new TareError('unauthorized', `${prefix}: ${words}`);
}

function readToken(text: string, prefix: string): FetchedToken {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new TareError('unavailable', `${prefix}: the token server's answer is not JSON`, error);
  }
  const fields =
    typeof document === 'object' && document !== null ? (document as Record<string, unknown>) : {};
  const token = [fields.token, fields.access_token].find(
    (value) => typeof value === 'string' && value !== '',
  );
  if (typeof token !== 'string') {
    throw new TareError(
      'unauthorized',
      `${prefix}: authorization server did not include a token in the response`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(token)) throw new TareError('unavailable', `${prefix}: the token is malformed`);
  const seconds = typeof fields.expires_in === 'number' ? fields.expires_in : DEFAULT_LIFETIME_S;
  const refresh = fields.refresh_token;
  const refreshToken = typeof refresh === 'string' && refresh !== '' ? refresh : undefined;
  return { token, lifetimeMs: Math.max(seconds, DEFAULT_LIFETIME_S) * 1000, refreshToken };
}
