import { isKind, TareError } from '../../base/errors.ts';
import type { RegistryAuth } from '../../engine/images/images.ts';
import { CODES, fromGrpc, GrpcError } from '../grpc/grpc-error.ts';
import {
  BytesMessage,
  CREDENTIALS,
  CredentialsRequest,
  CredentialsResponse,
  SECRET,
  SecretRequest,
  SecretResponse,
  UPLOAD,
} from '../proto/attachables.ts';
import type { Session } from './sessions.ts';

/** A secret's bytes; undefined when the client has none of that id. */
export async function secretOf(
  session: Session,
  id: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    const { data } = await session.channel.unary(SECRET, SecretRequest, SecretResponse, { id }, signal);
    return data;
  } catch (error) {
    const isAbsent =
      error instanceof GrpcError && (error.code === CODES.notFound || error.code === CODES.unimplemented);
    if (isAbsent) return undefined;
    throw fromGrpc(error, `secret ${id}`);
  }
}

/** Where Docker's own registry keeps its credentials, in the client's configuration. */
const HUB = 'registry-1.docker.io';

/** What the client's configuration has for a registry. */
export async function credentialsOf(
  session: Session,
  host: string,
  signal: AbortSignal,
): Promise<RegistryAuth | undefined> {
  if (!session.supports(CREDENTIALS)) return undefined;
  try {
    const { username, secret } = await session.channel.unary(
      CREDENTIALS,
      CredentialsRequest,
      CredentialsResponse,
      { host: host === 'docker.io' ? HUB : host },
      signal,
    );
    if (secret === '') return undefined;
    // Without a name it is a token for the registry's token server.
    return username === '' ? { identityToken: secret } : { username, password: secret };
  } catch (error) {
    const reason = fromGrpc(error, `credentials for ${host}`);
    if (isKind(reason, 'not-implemented', 'not-found')) return undefined;
    throw reason;
  }
}

/** What the client has at an address of its own: `http://buildkit-session/ID`, a tar or a Dockerfile from stdin. */
export function uploadOf(session: Session, address: URL, signal: AbortSignal): ReadableStream<Uint8Array> {
  if (!session.supports(UPLOAD)) {
    throw new TareError(
      'invalid',
      'the client does not send the context that it names: build from a directory',
    );
  }
  const call = session.channel.call(UPLOAD, { urlpath: address.pathname, urlhost: address.host }, signal);
  call.end();
  const messages = call.messages[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        for (;;) {
          const next = await messages.next();
          if (next.done) return controller.close();
          const { data } = BytesMessage.decode(next.value);
          if (data.length > 0) return controller.enqueue(data);
        }
      } catch (error) {
        controller.error(fromGrpc(error, 'reading the context of the client'));
      }
    },
    cancel: () => call.cancel(),
  });
}
