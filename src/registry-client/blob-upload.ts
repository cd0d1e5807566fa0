import { TareError } from '../base/errors.ts';
import { piecesOf } from '../base/streams.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Scope } from './authorizer.ts';
import { describeRequest, RetryableError } from './failures.ts';
import { plainFailure } from './plain-failure.ts';
import type { BlobBody, BlobSource } from './registry-client.ts';
import { Retries } from './retry.ts';
import type { RegistrySession } from './session.ts';
import type { HttpResponse } from './transport.ts';

/** A blob up to this size whose digest is known goes in one request. Bytes. */
const MONOLITH = 1024 * 1024;
/** After a cut the rest goes in pieces of this size, each acknowledged. Bytes; Google's and Amazon's minimum is 5 MB. */
const CHUNK = 8 * 1024 * 1024;
/** The last request makes a registry hash and store what it has: it may be silent for longer, in milliseconds. */
const COMMIT_TIMEOUT_MS = 300_000;

/** Where a blob goes. */
export interface UploadTarget {
  readonly session: RegistrySession;
  /** Repository path. */
  readonly path: string;
  readonly signal: AbortSignal;
}

/** What the server has of an upload: its address now, and how many bytes. */
interface Upload {
  readonly location: URL;
  readonly offset: number;
  /** The server wants chunks of at least so many bytes. */
  readonly minimum: number;
}

/** The upload is gone, or holds something else than what was sent. */
class UploadLost extends RetryableError {
  constructor(message: string) {
    super('unavailable', message);
  }
}

export function pushScope(path: string): Scope {
  return `repository:${path}:pull,push`;
}

/**
 * Uploads one blob (distribution-spec, "Pushing blobs"). A small one goes monolithically, POST and PUT. Others are
 * streamed in one PATCH while they are made, as Docker does, which every registry takes. After a cut the upload is
 * asked how far it is, the source is opened again, and the rest goes in chunks with their ranges. `started`: an
 * upload that the registry has opened already.
 */
export async function uploadBlob(
  target: UploadTarget,
  source: BlobSource,
  tell: (current: number, total: number) => void,
  started?: HttpResponse,
): Promise<Descriptor> {
  const retries = new Retries(target.session.retryPolicy(target.signal));
  let upload = started && uploadOf(target, started, 0);
  let sent = 0;
  /** After a failure nobody here knows how much of it arrived. */
  let doubtful = false;
  for (let attempt = 0; ; attempt++) {
    try {
      upload ??= await begin(target);
      if (doubtful) upload = await ask(target, upload);
      doubtful = false;
      if (upload.offset > sent) retries.progressed();
      sent = Math.max(sent, upload.offset);
      const body = source.open();
      const { descriptor } = body;
      if (descriptor !== undefined && descriptor.size <= MONOLITH && upload.offset === 0) {
        return await sendWhole(target, upload, body, descriptor);
      }
      const reading = follow(body, tell);
      const end = await (attempt === 0
        ? stream(target, upload, reading)
        : sendChunks(target, upload, reading, (now) => {
            upload = now;
            retries.progressed();
          }));
      return await finish(target, end, await body.described);
    } catch (error) {
      await retries.next(error);
      if (error instanceof UploadLost) upload = undefined;
      doubtful = upload !== undefined;
    }
  }
}

/** Opens an upload, by a mount if there is something to mount: 201 then says that it was done. */
export async function openUpload(
  { session, path, signal }: UploadTarget,
  mount?: { readonly digest: string; readonly from: string },
): Promise<HttpResponse> {
  const url = session.url(`/v2/${path}/blobs/uploads/`);
  let scope = pushScope(path);
  if (mount !== undefined) {
    url.searchParams.set('mount', mount.digest);
    url.searchParams.set('from', mount.from);
    scope += ` repository:${mount.from}:pull`;
  }
  const response = await session.request({ method: 'POST', url, scope, signal, body: '' });
  if (response.status === 202 || (mount !== undefined && response.status === 201)) return response;
  throw await plainFailure(response, 'POST');
}

async function begin(target: UploadTarget): Promise<Upload> {
  return uploadOf(target, await openUpload(target), 0);
}

/** What an answer says of the upload; `offset` if it says nothing of it. Ends the answer. */
function uploadOf({ session }: UploadTarget, response: HttpResponse, offset: number): Upload {
  const location = session.locationOf(response);
  const range = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.get('range') ?? '');
  const minimum = Number(response.headers.get('oci-chunk-min-length') ?? 0) || 0;
  response.discard();
  // `0-0` is what an empty upload has (distribution's own server); one byte looks the same and never occurs.
  const end = Number(range?.[1] ?? 0);
  return { location, offset: range === null ? offset : end === 0 ? 0 : end + 1, minimum };
}

/** Asks an upload how far it is. */
async function ask(target: UploadTarget, upload: Upload): Promise<Upload> {
  const { session, path, signal } = target;
  const response = await session.request({
    method: 'GET',
    url: upload.location,
    scope: pushScope(path),
    signal,
  });
  if (response.status === 204 || response.status === 200) return uploadOf(target, response, 0);
  const failure = await plainFailure(response, 'GET');
  if (response.status === 404 || response.status === 416) throw new UploadLost(failure.message);
  throw failure;
}

async function sendWhole(
  target: UploadTarget,
  upload: Upload,
  body: BlobBody,
  descriptor: Descriptor,
): Promise<Descriptor> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.bytes) chunks.push(chunk);
  return finish(target, upload, descriptor, Buffer.concat(chunks));
}

/** The bytes of a body, with word of how far it is. */
async function* follow(
  body: BlobBody,
  tell: (current: number, total: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body.bytes) {
    yield chunk;
    const { current, total } = body.progress();
    tell(current, total);
  }
}

async function stream(
  target: UploadTarget,
  upload: Upload,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Upload> {
  const { session, path, signal } = target;
  const response = await session.request({
    method: 'PATCH',
    url: upload.location,
    scope: pushScope(path),
    headers: { 'Content-Type': 'application/octet-stream' },
    body: bytes,
    signal,
  });
  if (response.status === 202 || response.status === 204) return uploadOf(target, response, upload.offset);
  throw await patchFailure(response);
}

/** Sends what comes after the upload's offset; `advanced` hears of each chunk that the server has taken. */
async function sendChunks(
  target: UploadTarget,
  begun: Upload,
  bytes: AsyncIterable<Uint8Array>,
  advanced: (upload: Upload) => void,
): Promise<Upload> {
  const { session, path, signal } = target;
  let upload = begun;
  for await (const chunk of piecesOf(after(bytes, upload.offset), Math.max(CHUNK, upload.minimum))) {
    const next = upload.offset + chunk.byteLength;
    const response = await session.request({
      method: 'PATCH',
      url: upload.location,
      scope: pushScope(path),
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Range': `${upload.offset}-${next - 1}`,
      },
      body: chunk,
      signal,
    });
    if (response.status !== 202 && response.status !== 204) throw await patchFailure(response);
    const answer = uploadOf(target, response, next);
    if (answer.offset !== next) {
      throw new RetryableError('unavailable', `the upload has ${answer.offset} of ${next} bytes`);
    }
    upload = answer;
    advanced(upload);
  }
  return upload;
}

async function* after(source: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const chunk of source) {
    if (left >= chunk.byteLength) left -= chunk.byteLength;
    else {
      yield chunk.subarray(left);
      left = 0;
    }
  }
  if (left > 0) throw new UploadLost(`the upload has ${left} bytes more than the blob`);
}

/** A refused token has been replaced by now, and a wrong range can be asked for: both are for the next try. */
async function patchFailure(response: HttpResponse): Promise<TareError> {
  const failure = await plainFailure(response, 'PATCH');
  if (response.status === 404) return new UploadLost(failure.message);
  const again = response.status === 401 || response.status === 416;
  return again ? new RetryableError('unavailable', failure.message) : failure;
}

/** The last request: says what the blob is, with its bytes if none have been sent. */
async function finish(
  { session, path, signal }: UploadTarget,
  upload: Upload,
  descriptor: Descriptor,
  body: Uint8Array = new Uint8Array(0),
): Promise<Descriptor> {
  const url = new URL(upload.location);
  url.searchParams.set('digest', descriptor.digest);
  const response = await session.request({
    method: 'PUT',
    url,
    scope: pushScope(path),
    headers: { 'Content-Type': 'application/octet-stream' },
    body,
    signal,
    timeoutMs: COMMIT_TIMEOUT_MS,
  });
  if (response.status === 201 || response.status === 204) {
    response.discard();
    checkDigest(response, descriptor);
    return descriptor;
  }
  const failure = await plainFailure(response, 'PUT');
  // The registry has thrown the upload away, or has other bytes than were sent.
  if (response.status === 404 || response.status === 400 || response.status === 416) {
    throw new UploadLost(failure.message);
  }
  throw failure;
}

function checkDigest(response: HttpResponse, { digest }: Descriptor): void {
  const served = response.headers.get('docker-content-digest');
  if (served === null || served === digest || !served.startsWith(digest.split(':')[0] ?? '')) return;
  throw new TareError(
    'corrupt',
    `${describeRequest('PUT', response.url)}: the registry stored ${served} instead of ${digest}`,
  );
}
