import { checkDigest, checkName } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type { RegistryWriter, UploadChunk } from '../registry-server.ts';
import type { Exchange } from './exchange.ts';
import { parseContentRange } from './range.ts';

/** POST to `/v2/{name}/blobs/uploads/`: starts an upload (end-4a), takes a whole blob (4b), or mounts one (11). */
export async function startUpload(exchange: Exchange): Promise<Response> {
  const { url, repository, place, request } = exchange;
  const writer = requireWriter(exchange);
  const { searchParams } = url;
  const mount = searchParams.get('mount');
  if (mount !== null && (await mountBlob(exchange, writer, mount))) {
    return blobCreated(repository, mount);
  }
  const digest = searchParams.get('digest');
  if (digest !== null && mount === null) {
    await writer.putBlob(place.repository, checkDigest(digest), chunkOf(request));
    return blobCreated(repository, digest);
  }
  await request.body?.cancel().catch(() => {});
  const algorithm = searchParams.get('digest-algorithm') ?? 'sha256';
  if (algorithm !== 'sha256' && algorithm !== 'sha512') {
    throw new RegistryError('DIGEST_INVALID', { message: `unsupported digest algorithm ${algorithm}` });
  }
  const id = await writer.startUpload(place.repository, algorithm);
  return uploadAccepted(repository, id, 0, 202);
}

/** False when the blob is not where the client says, or not for this client: an upload begins instead. */
async function mountBlob(exchange: Exchange, writer: RegistryWriter, digest: string): Promise<boolean> {
  const { url, place, caller } = exchange;
  checkDigest(digest);
  const from = url.searchParams.get('from') ?? undefined;
  if (from !== undefined) checkName(from);
  return writer.mountBlob(place.repository, digest, from, (name) => caller.may(name, 'pull'));
}

/** GET of an upload (end-13): how far it is. */
export async function uploadStatus(exchange: Exchange): Promise<Response> {
  const { repository, reference, place } = exchange;
  const offset = await requireWriter(exchange).uploadOffset(place.repository, reference);
  return uploadAccepted(repository, reference, offset, 204);
}

/** PATCH of an upload (end-5): one chunk, or a stream of unknown length. */
export async function appendUpload(exchange: Exchange): Promise<Response> {
  const { repository, reference, place, request } = exchange;
  const writer = requireWriter(exchange);
  try {
    const offset = await writer.appendUpload(place.repository, reference, chunkOf(request));
    return uploadAccepted(repository, reference, offset, 202);
  } catch (error) {
    throw withPosition(error, exchange);
  }
}

/** PUT of an upload (end-6): the last chunk, if there is one, and the digest of the whole. */
export async function finishUpload(exchange: Exchange): Promise<Response> {
  const { url, repository, reference, place, request } = exchange;
  const writer = requireWriter(exchange);
  const digest = checkDigest(url.searchParams.get('digest'));
  try {
    await writer.finishUpload(place.repository, reference, digest, chunkOf(request));
  } catch (error) {
    throw withPosition(error, exchange);
  }
  return blobCreated(repository, digest);
}

/** DELETE of an upload. */
export async function cancelUpload(exchange: Exchange): Promise<Response> {
  await requireWriter(exchange).cancelUpload(exchange.place.repository, exchange.reference);
  return new Response(null, { status: 204 });
}

/** The writer of the repository. Throws UNSUPPORTED where nothing can be pushed. */
export function requireWriter({ place }: Exchange): RegistryWriter {
  if (place.writer !== undefined) return place.writer;
  throw new RegistryError('UNSUPPORTED', { message: 'this repository is read-only' });
}

/** The bytes of a request and what its headers say about them. Throws BLOB_UPLOAD_INVALID or SIZE_INVALID. */
function chunkOf(request: Request): UploadChunk {
  const range = parseContentRange(request.headers.get('content-range'));
  if (range === 'invalid') {
    throw new RegistryError('BLOB_UPLOAD_INVALID', { message: 'Content-Range must be FIRST-LAST' });
  }
  const header = request.headers.get('content-length');
  const length = header === null ? undefined : Number(header);
  if (length !== undefined && range.length !== undefined && length !== range.length) {
    throw new RegistryError('SIZE_INVALID', {
      message: `Content-Range says ${range.length} bytes, Content-Length ${length}`,
    });
  }
  const known = length ?? range.length;
  return {
    body: request.body,
    ...(range.start === undefined ? {} : { start: range.start }),
    ...(known === undefined ? {} : { length: known }),
  };
}

/** A chunk out of order is answered with the place to go on from. */
function withPosition(error: unknown, { repository, reference }: Exchange): unknown {
  if (!(error instanceof RegistryError) || error.status !== 416) return error;
  const offset = (error.detail as { offset?: number } | undefined)?.offset ?? 0;
  return new RegistryError('BLOB_UPLOAD_INVALID', {
    status: 416,
    message: error.message,
    detail: error.detail,
    headers: uploadHeaders(repository, reference, offset),
  });
}

function uploadAccepted(repository: string, id: string, offset: number, status: number): Response {
  return new Response(null, { status, headers: uploadHeaders(repository, id, offset) });
}

function uploadHeaders(repository: string, id: string, offset: number): Record<string, string> {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    // Inclusive; "0-0" for an empty one, as docker-registry says it.
    Range: `0-${Math.max(offset - 1, 0)}`,
    'Docker-Upload-UUID': id,
  };
}

function blobCreated(repository: string, digest: string): Response {
  return new Response(null, {
    status: 201,
    headers: { Location: `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest': digest },
  });
}
