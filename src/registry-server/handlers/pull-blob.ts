import { checkDigest } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type { StoredBlob } from '../registry-server.ts';
import { isUnchanged, notModified } from './conditional.ts';
import type { Exchange } from './exchange.ts';
import { parseRange } from './range.ts';

/** GET and HEAD of `/v2/{name}/blobs/{digest}` (end-2), with ranges (RFC 9110, 14) and conditions. */
export async function pullBlob({ request, reference, repository, place }: Exchange): Promise<Response> {
  const digest = checkDigest(reference);
  const wanted = request.method === 'HEAD' ? 'size' : 'content';
  const blob = await place.reader.blob(place.repository, digest, wanted);
  if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { name: repository, digest } });
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    'Accept-Ranges': 'bytes',
    // A digest names the same bytes for ever.
    'Cache-Control': 'max-age=31536000',
  };
  if (isUnchanged(request, digest)) {
    await discard(blob);
    return notModified(headers);
  }
  if (wanted === 'size')
    return new Response(null, { headers: { ...headers, 'Content-Length': String(blob.size) } });
  const ifRange = request.headers.get('if-range');
  const range =
    ifRange === null || ifRange === `"${digest}"`
      ? parseRange(request.headers.get('range'), blob.size)
      : undefined;
  if (range === 'unsatisfiable') {
    await discard(blob);
    throw new RegistryError('SIZE_INVALID', {
      status: 416,
      message: `the blob has ${blob.size} bytes: the range lies outside`,
      headers: { 'Content-Range': `bytes */${blob.size}` },
    });
  }
  return sendBlob(blob, range, headers);
}

function sendBlob(
  blob: StoredBlob,
  range: { readonly first: number; readonly last: number } | undefined,
  headers: Readonly<Record<string, string>>,
): Response {
  const first = range?.first ?? 0;
  const last = range?.last ?? blob.size - 1;
  const init = {
    status: range === undefined ? 200 : 206,
    headers: {
      ...headers,
      'Content-Length': String(last - first + 1),
      ...(range === undefined ? {} : { 'Content-Range': `bytes ${first}-${last}/${blob.size}` }),
    },
  };
  const { source } = blob;
  if (source.kind === 'none' || blob.size === 0) return new Response(null, init);
  // From the file to the socket by sendfile(2).
  if (source.kind === 'file') return new Response(Bun.file(source.path).slice(first, last + 1), init);
  // Bun sends streams in chunks, whatever length is given: a HEAD says it.
  return new Response(range === undefined ? source.open() : cut(source.open(), first, last), init);
}

/** Bytes `first` to `last` of a stream. */
function cut(stream: ReadableStream<Uint8Array>, first: number, last: number): ReadableStream<Uint8Array> {
  let position = 0;
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller): void {
        const begin = position;
        position += chunk.byteLength;
        const part = chunk.subarray(Math.max(first - begin, 0), Math.max(last + 1 - begin, 0));
        if (part.byteLength > 0) controller.enqueue(part);
        if (position > last) controller.terminate();
      },
    }),
  );
}

async function discard({ source }: StoredBlob): Promise<void> {
  if (source.kind === 'stream') await source.open().cancel();
}
