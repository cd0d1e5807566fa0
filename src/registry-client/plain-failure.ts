import { TareError } from '../base/errors.ts';
import {
  describeRequest,
  parseRegistryError,
  RetryableError,
  registryErrorText,
  retryAfterOf,
} from './failures.ts';
import { isRetryableStatus, readErrorText, reasonOf } from './response-failure.ts';
import type { HttpResponse } from './transport.ts';

/**
 * Turns an answer that is no success into an error in the registry's own words, as dockerd does for all but pulls:
 * `denied: requested access to the resource is denied`. Reads and ends the answer's body.
 */
export async function plainFailure(response: HttpResponse, method: string): Promise<TareError> {
  const { status, url } = response;
  const error = reasonOf(response, parseRegistryError(await readErrorText(response)));
  const text = registryErrorText(error, status);
  if (isRetryableStatus(status)) {
    const words = error.code === 'TOOMANYREQUESTS' ? text : `${describeRequest(method, url)}: ${text}`;
    return new RetryableError('unavailable', words, { retryAfterMs: retryAfterOf(response.headers) });
  }
  switch (error.code) {
    case 'DENIED':
      return new TareError('forbidden', text);
    case 'UNAUTHORIZED':
      return new TareError('unauthorized', text);
    case 'UNSUPPORTED':
      return new TareError('forbidden', text);
    default:
      return new TareError(
        status === 404 ? 'not-found' : 'unavailable',
        error.code === '' ? `${describeRequest(method, url)}: ${text}` : text,
      );
  }
}
