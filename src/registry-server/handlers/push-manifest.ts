import { isTag, kindOfReference } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type { Exchange } from './exchange.ts';
import { requireWriter } from './push-blob.ts';

/** Tags that one request may set. */
const TAG_LIMIT = 100;

/**
 * PUT of `/v2/{name}/manifests/{reference}` (end-7). With a digest, `?tag=` sets tags, which is how an image with a
 * sha512 digest gets one.
 */
export function pushManifest(limit: number): (exchange: Exchange) => Promise<Response> {
  return async (exchange) => {
    const { request, url, repository, reference, place } = exchange;
    const writer = requireWriter(exchange);
    const kind = kindOfReference(reference);
    if (kind === 'neither') {
      throw reference.includes(':')
        ? new RegistryError('DIGEST_INVALID', { message: 'invalid checksum digest format' })
        : new RegistryError('MANIFEST_INVALID', { message: `invalid tag ${reference}` });
    }
    const tags = url.searchParams.getAll('tag');
    if (tags.length > TAG_LIMIT || !tags.every(isTag)) {
      throw new RegistryError('MANIFEST_INVALID', { message: `?tag= takes up to ${TAG_LIMIT} valid tags` });
    }
    const bytes = await readBounded(request, limit);
    const mediaType = request.headers.get('content-type') ?? undefined;
    const pushed = await writer.putManifest(place.repository, { reference, tags, mediaType, bytes });
    const headers = new Headers({
      Location: `/v2/${repository}/manifests/${pushed.digest}`,
      'Docker-Content-Digest': pushed.digest,
    });
    if (pushed.subject !== undefined) headers.set('OCI-Subject', pushed.subject);
    for (const tag of tags) headers.append('OCI-Tag', tag);
    return new Response(null, { status: 201, headers });
  };
}

async function readBounded(request: Request, limit: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new RegistryError('MANIFEST_INVALID', {
      status: 413,
      message: `the manifest is larger than the ${limit} bytes that this registry accepts`,
    });
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
