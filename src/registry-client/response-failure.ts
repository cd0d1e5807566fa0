import { TareError } from '../base/errors.ts';
import { familiarName, familiarString, type Reference } from '../oci/reference.ts';
import { parseChallenges } from './challenge.ts';
import {
  describeRequest,
  ERROR_BODY_LIMIT,
  parseRegistryError,
  type RegistryError,
  RetryableError,
  registryErrorText,
  retryAfterOf,
} from './failures.ts';
import { type HttpResponse, readAll } from './transport.ts';

/** Statuses after which the same request may succeed. */
const RETRYABLE = new Set([408, 429, 500, 502, 503, 504]);
const DENIED: RegistryError = { code: 'DENIED', message: 'requested access to the resource is denied' };

export function isRetryableStatus(status: number): boolean {
  return RETRYABLE.has(status);
}

/**
 * Turns an answer that is no success into an error in Docker's words, for the reference that is pulled. Reads
 * and ends the answer's body.
 */
export async function responseFailure(response: HttpResponse, ref: Reference): Promise<TareError> {
  const { status } = response;
  const request = describeRequest('GET', response.url);
  const body = await readErrorText(response);
  const error = reasonOf(response, parseRegistryError(body));
  const text = registryErrorText(error, status);
  if (isRetryableStatus(status)) {
    const words = error.code === 'TOOMANYREQUESTS' ? text : `${request}: ${text}`;
    return new RetryableError('unavailable', words, { retryAfterMs: retryAfterOf(response.headers) });
  }
  switch (error.code) {
    case 'DENIED':
      return new TareError(
        'not-found',
        `pull access denied for ${familiarName(ref)}, repository does not exist or may require 'docker login': ${text}`,
      );
    case 'MANIFEST_UNKNOWN':
      return new TareError('not-found', `manifest for ${familiarString(ref)} not found: ${text}`);
    case 'NAME_UNKNOWN':
      return new TareError('not-found', `repository ${familiarName(ref)} not found: ${text}`);
    case 'UNAUTHORIZED':
      return new TareError('unauthorized', `${request}: ${text}`);
    default:
      return new TareError(status === 404 ? 'not-found' : 'unavailable', `${request}: ${text}`);
  }
}

/** What the status and the challenge say where the body says nothing. */
export function reasonOf(response: HttpResponse, error: RegistryError): RegistryError {
  const { status, url, headers } = response;
  const challenge = parseChallenges(headers.get('www-authenticate')).find((each) => each.scheme === 'bearer');
  // Docker Hub answers so for a repository that does not exist, to those who may not know.
  if (status === 401 && challenge?.parameters.error === 'insufficient_scope') return DENIED;
  if (error.code !== '') return error;
  if (status === 401) return { code: 'UNAUTHORIZED', message: 'authentication required' };
  if (status === 403) return DENIED;
  if (status !== 404) return error;
  return url.pathname.includes('/manifests/')
    ? { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }
    : { code: 'BLOB_UNKNOWN', message: 'blob unknown to registry' };
}

/** The body of an error is a help only: a cut or an overlong one changes nothing. */
export async function readErrorText(response: HttpResponse): Promise<string> {
  try {
    return new TextDecoder().decode(await readAll(response, ERROR_BODY_LIMIT, 'error answer'));
  } catch (error) {
    if (error instanceof TareError && error.kind === 'cancelled') throw error;
    return '';
  }
}
