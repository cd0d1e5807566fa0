import { type ErrorKind, messageOf, TareError } from '../base/errors.ts';

/** The HTTP status of each kind of error; Docker answers 500 for what ran out, took too long or does not answer (a registry). */
const STATUS: Record<ErrorKind, number> = {
  'not-found': 404,
  invalid: 400,
  conflict: 409,
  unauthorized: 401,
  forbidden: 403,
  'not-modified': 304,
  'not-implemented': 501,
  unavailable: 500,
  exhausted: 500,
  cancelled: 500,
  timeout: 500,
  corrupt: 500,
  internal: 500,
};

/** An error that has no kind in the engine, only a meaning in HTTP. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
  }
}

/** The status of an error; what nobody foresaw is 500. */
export function statusOf(error: unknown): number {
  if (error instanceof TareError) return STATUS[error.kind];
  return error instanceof HttpError ? error.status : 500;
}

/** True for errors that are nobody's intention: they belong into the daemon's log with their stack. */
export function isUnexpected(error: unknown): boolean {
  if (error instanceof HttpError) return false;
  return !(error instanceof TareError) || error.kind === 'internal';
}

/** What the client is told. */
export function clientMessage(error: unknown): string {
  return messageOf(error) || 'internal error without a message; see the log of the daemon';
}

/** An endpoint that this version of the program does not have yet. */
export function notYet(what: string): TareError {
  return new TareError('not-implemented', `${what} is not supported by this version of Tare`);
}
