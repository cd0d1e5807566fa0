/**
 * The one closed vocabulary of errors. Every layer throws `TareError`; the API, the registry server and the
 * CLI map `kind` to a status or an exit code by a total `Record`, so a new kind does not compile until every
 * map knows it.
 */
export type ErrorKind =
  /** The named thing does not exist. */
  | 'not-found'
  /** The request itself is wrong: syntax, range, contradiction. */
  | 'invalid'
  /** The request contradicts the present state: name in use, container running. */
  | 'conflict'
  /** Credentials are missing or wrong. */
  | 'unauthorized'
  /** The credentials do not allow it, or policy forbids it. */
  | 'forbidden'
  /** The thing is in the asked state already; the API answers 304. */
  | 'not-modified'
  /** This build or this machine cannot do it. */
  | 'not-implemented'
  /** Something we depend on does not answer or is switched off; a later try may work. */
  | 'unavailable'
  /** A resource ran out: disk space, addresses, file descriptors, ports. */
  | 'exhausted'
  /** The caller went away or asked to stop. */
  | 'cancelled'
  /** It took too long. */
  | 'timeout'
  /** What was read is not what was promised: digest, size, format. */
  | 'corrupt'
  /** A fault of ours or of the machine; the message says what to do. */
  | 'internal';

/** An error with a kind; `message` is one sentence for a person, in Docker's words where Docker has some. */
export class TareError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TareError';
    this.kind = kind;
  }
}

/** True when `error` is a TareError of one of the `kinds`. */
export function isKind(error: unknown, ...kinds: ErrorKind[]): error is TareError {
  return error instanceof TareError && kinds.includes(error.kind);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Puts `prefix: ` before the message and keeps the kind; an unknown error becomes `internal`. */
export function wrapError(error: unknown, prefix: string): TareError {
  const kind = error instanceof TareError ? error.kind : 'internal';
  return new TareError(kind, `${prefix}: ${messageOf(error)}`, error);
}
