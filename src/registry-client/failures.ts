import { messageOf, TareError } from '../base/errors.ts';

/** A failure after which the same request may succeed: the caller repeats it. */
export class RetryableError extends TareError {
  /** What the server asked to wait, in milliseconds; undefined if it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: 'unavailable' | 'timeout',
    message: string,
    options: { retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(kind, message, options.cause);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Words for system error codes, after `dial tcp …: ` or alone; those of Go's net package, which Docker shows. */
const DIAL_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
  EACCES: 'connect: permission denied',
  EADDRNOTAVAIL: 'connect: cannot assign requested address',
};
const CERTIFICATE_WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'certificate has expired or is not yet valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate is not valid for this host',
};
const UNKNOWN_AUTHORITY = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
]);

/**
 * Says why a request got no answer, in the words that Docker's users search for:
 * `Get "https://…/v2/": dial tcp: lookup …: no such host`. A wrong certificate is not retryable, all else is.
 */
export function connectionFailure(method: string, url: URL, error: unknown): TareError {
  const prefix = `${verb(method)} "${printable(url)}": `;
  const code = codeOf(error);
  const address = `${url.hostname}:${url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port}`;
  if (code === 'ENOTFOUND')
    return retryable(`${prefix}dial tcp: lookup ${url.hostname}: no such host`, error);
  if (code === 'EAI_AGAIN' || code === 'ESERVFAIL') {
    return retryable(
      `${prefix}dial tcp: lookup ${url.hostname}: Temporary failure in name resolution`,
      error,
    );
  }
  const dial = DIAL_WORDS[code];
  if (dial !== undefined) return retryable(`${prefix}dial tcp ${address}: ${dial}`, error);
  const certificate = UNKNOWN_AUTHORITY.has(code)
    ? 'certificate signed by unknown authority'
    : CERTIFICATE_WORDS[code];
  if (certificate !== undefined) {
    return new TareError(
      'unavailable',
      `${prefix}tls: failed to verify certificate: x509: ${certificate}`,
      error,
    );
  }
  if (code === 'EPROTO') {
    return new TareError('unavailable', `${prefix}http: server gave HTTP response to HTTPS client`, error);
  }
  if (code === 'ECONNRESET')
    return retryable(`${prefix}read tcp ${address}: connection reset by peer`, error);
  return retryable(prefix + messageOf(error), error);
}

function retryable(message: string, cause: unknown): RetryableError {
  return new RetryableError('unavailable', message, { cause });
}

/** Go's wording of a request: `Get "url"`. */
export function describeRequest(method: string, url: URL): string {
  return `${verb(method)} "${printable(url)}"`;
}

/** A URL without user, password and query: tokens and signatures stand there. */
function printable(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function verb(method: string): string {
  return method.slice(0, 1) + method.slice(1).toLowerCase();
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/** The first error of a registry's answer (distribution-spec, "Error Codes"). */
export interface RegistryError {
  /** `MANIFEST_UNKNOWN`; empty if the answer had none. */
  readonly code: string;
  readonly message: string;
}

/** Largest error body that is read, in bytes. */
export const ERROR_BODY_LIMIT = 64 * 1024;

/** Reads an error body: the specification's list, the token servers' `details`, or plain text. */
export function parseRegistryError(body: string): RegistryError {
  const none = { code: '', message: body.trim().slice(0, 200) };
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return none;
  }
  if (typeof document !== 'object' || document === null) return none;
  const details =
    'details' in document ? document.details : 'message' in document ? document.message : undefined;
  if (typeof details === 'string') return { code: 'UNAUTHORIZED', message: details };
  const list = 'errors' in document && Array.isArray(document.errors) ? document.errors : [];
  const first: unknown = list[0];
  if (typeof first !== 'object' || first === null) return none;
  const code = 'code' in first && typeof first.code === 'string' ? first.code.toUpperCase() : '';
  const message = 'message' in first && typeof first.message === 'string' ? first.message : '';
  return { code, message };
}

/** `manifest unknown: manifest unknown`, as Go prints a registry's error. */
export function registryErrorText(error: RegistryError, status: number): string {
  if (error.code === '') {
    return error.message === ''
      ? `received unexpected HTTP status: ${status}`
      : `error parsing HTTP ${status} response body: ${error.message}`;
  }
  const code = error.code.toLowerCase().replaceAll('_', ' ');
  return `${code}: ${error.message === '' ? code : error.message}`;
}

/** `Retry-After` in milliseconds: seconds or a date (RFC 9110, section 10.2.3). */
export function retryAfterOf(headers: Headers, now: number = Date.now()): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^[0-9]+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
