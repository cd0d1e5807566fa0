import { type ErrorKind, isKind, messageOf, TareError } from '../base/errors.ts';

/** The specification's codes (distribution-spec, "Error Codes"), with the status and words of each. */
const CODES = {
  BLOB_UNKNOWN: [404, 'not-found', 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'invalid', 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'not-found', 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'corrupt', 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [400, 'invalid', 'manifest references a manifest or blob unknown to registry'],
  MANIFEST_INVALID: [400, 'invalid', 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'not-found', 'manifest unknown'],
  NAME_INVALID: [400, 'invalid', 'invalid repository name'],
  NAME_UNKNOWN: [404, 'not-found', 'repository name not known to registry'],
  SIZE_INVALID: [400, 'invalid', 'provided length did not match content length'],
  UNAUTHORIZED: [401, 'unauthorized', 'authentication required'],
  DENIED: [403, 'forbidden', 'requested access to the resource is denied'],
  UNSUPPORTED: [405, 'not-implemented', 'the operation is unsupported'],
  TOOMANYREQUESTS: [429, 'exhausted', 'too many requests'],
} as const satisfies Record<string, readonly [number, ErrorKind, string]>;

export type RegistryCode = keyof typeof CODES;

export interface RegistryErrorOptions {
  /** Instead of the code's words. */
  readonly message?: string;
  readonly detail?: unknown;
  /** Instead of the code's status. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error that a client sees with its code. */
export class RegistryError extends TareError {
  readonly code: RegistryCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RegistryCode, options: RegistryErrorOptions = {}) {
    const [status, kind, words] = CODES[code];
    super(kind, options.message ?? words, options.cause);
    this.name = 'RegistryError';
    this.code = code;
    this.status = options.status ?? status;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }
}

/** Status and code of an error that was thrown below the HTTP side. UNKNOWN is what docker-registry says. */
const BY_KIND: Readonly<Record<ErrorKind, readonly [status: number, code: string]>> = {
  'not-found': [404, 'NAME_UNKNOWN'],
  invalid: [400, 'UNSUPPORTED'],
  conflict: [409, 'BLOB_UPLOAD_INVALID'],
  unauthorized: [401, 'UNAUTHORIZED'],
  forbidden: [403, 'DENIED'],
  'not-modified': [304, 'UNSUPPORTED'],
  'not-implemented': [405, 'UNSUPPORTED'],
  unavailable: [503, 'UNAVAILABLE'],
  exhausted: [507, 'UNAVAILABLE'],
  cancelled: [400, 'BLOB_UPLOAD_INVALID'],
  timeout: [504, 'UNAVAILABLE'],
  corrupt: [502, 'UNKNOWN'],
  internal: [500, 'UNKNOWN'],
};

/** The answer to a request that failed. What is a fault of ours is not told to strangers in detail. */
export function errorResponse(error: unknown): Response {
  const [status, code] = isKind(error, ...KINDS) ? BY_KIND[error.kind] : BY_KIND.internal;
  if (error instanceof RegistryError) {
    return answer(error.status, error.code, error.message, error.detail, error.headers);
  }
  const message = status === 500 ? 'internal error: see the log of the registry' : messageOf(error);
  return answer(status, code, message, undefined, status === 503 ? { 'Retry-After': '5' } : {});
}

const KINDS = Object.keys(BY_KIND) as ErrorKind[];

function answer(
  status: number,
  code: string,
  message: string,
  detail: unknown,
  headers: Readonly<Record<string, string>>,
): Response {
  const body = JSON.stringify({ errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] });
  return new Response(`${body}\n`, { status, headers: { 'Content-Type': 'application/json', ...headers } });
}
