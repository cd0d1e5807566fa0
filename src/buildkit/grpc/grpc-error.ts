import { type ErrorKind, messageOf, TareError } from '../../base/errors.ts';
import { Status } from '../proto/status.ts';

/** The gRPC status codes that are named here. */
export const CODES = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalid: 3,
  deadline: 4,
  notFound: 5,
  exists: 6,
  denied: 7,
  exhausted: 8,
  precondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/**
 * The code of each kind. Clients print a code's name before the message unless it is `unknown`, which is what a
 * failing Dockerfile has with BuildKit.
 */
const CODE: Record<ErrorKind, number> = {
  'not-found': CODES.notFound,
  invalid: CODES.unknown,
  conflict: CODES.precondition,
  unauthorized: CODES.unauthenticated,
  forbidden: CODES.denied,
  'not-modified': CODES.unknown,
  'not-implemented': CODES.unimplemented,
  unavailable: CODES.unavailable,
  exhausted: CODES.exhausted,
  cancelled: CODES.cancelled,
  timeout: CODES.deadline,
  corrupt: CODES.dataLoss,
  internal: CODES.unknown,
};

/** A detail of an error, as `google.protobuf.Any`. */
export interface Detail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** How a call ended. Thrown by a handler it is sent as it is; thrown by a client's call it is what the peer said. */
export class GrpcError extends Error {
  readonly code: number;
  readonly details: readonly Detail[];

  constructor(code: number, message: string, details: readonly Detail[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'GrpcError';
    this.code = code;
    this.details = details;
  }
}

/** Any error as one that gRPC can send. */
export function toGrpc(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  const code = error instanceof TareError ? CODE[error.kind] : CODES.unknown;
  return new GrpcError(code, messageOf(error), [], error);
}

/** What a peer said, in the engine's vocabulary; `what` is what was asked for. */
export function fromGrpc(error: unknown, what: string): unknown {
  if (!(error instanceof GrpcError)) return error;
  const kind = KIND[error.code] ?? 'internal';
  return new TareError(kind, `${what}: ${error.message}`, error);
}

const KIND: Readonly<Record<number, ErrorKind>> = {
  [CODES.cancelled]: 'cancelled',
  [CODES.invalid]: 'invalid',
  [CODES.unknown]: 'invalid',
  [CODES.deadline]: 'timeout',
  [CODES.notFound]: 'not-found',
  [CODES.exists]: 'conflict',
  [CODES.denied]: 'forbidden',
  [CODES.exhausted]: 'exhausted',
  [CODES.precondition]: 'conflict',
  [CODES.unimplemented]: 'not-implemented',
  [CODES.unavailable]: 'unavailable',
  [CODES.dataLoss]: 'corrupt',
  [CODES.unauthenticated]: 'unauthorized',
};

/** The trailers that tell how a call ended. */
export function trailersOf(error: GrpcError | undefined): Record<string, string> {
  if (error === undefined) return { 'grpc-status': '0' };
  const trailers: Record<string, string> = {
    'grpc-status': String(error.code),
    'grpc-message': encodeMessage(error.message),
  };
  if (error.details.length > 0) {
    const { code, message, details } = error;
    const status = Status.encode({ code, message, details: [...details] });
    trailers['grpc-status-details-bin'] = Buffer.from(status).toString('base64').replace(/=+$/, '');
  }
  return trailers;
}

/** The error that headers or trailers tell; undefined for a good end, or when they tell nothing. */
export function errorOf(headers: Readonly<Record<string, unknown>>): GrpcError | undefined {
  const status = headers['grpc-status'];
  if (status === undefined || String(status) === '0') return undefined;
  return new GrpcError(Number(status), decodeMessage(String(headers['grpc-message'] ?? '')));
}

/** gRPC's percent-encoding: all but printable ASCII, and the percent sign. */
function encodeMessage(message: string): string {
  let encoded = '';
  for (const byte of Buffer.from(message, 'utf8')) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) encoded += String.fromCharCode(byte);
    else encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

function decodeMessage(message: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < message.length; at++) {
    const hex = message[at] === '%' ? /^[0-9a-fA-F]{2}/.exec(message.slice(at + 1, at + 3)) : null;
    if (hex === null) bytes.push(...Buffer.from(message[at]!, 'utf8'));
    else {
      bytes.push(Number.parseInt(hex[0], 16));
      at += 2;
    }
  }
  return Buffer.from(bytes).toString('utf8');
}
