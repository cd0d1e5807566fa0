import { MEDIA_TYPES, parseManifest } from '../../oci/manifest.ts';
import { kindOfReference } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type { StoredManifest } from '../registry-server.ts';
import { isUnchanged, notModified } from './conditional.ts';
import type { Exchange } from './exchange.ts';

/** GET and HEAD of `/v2/{name}/manifests/{reference}` (end-3). */
export async function pullManifest(exchange: Exchange): Promise<Response> {
  const { request, reference, repository, place } = exchange;
  if (reference.includes(':') && kindOfReference(reference) !== 'digest') {
    throw new RegistryError('DIGEST_INVALID', { message: 'invalid checksum digest format' });
  }
  const stored = await place.reader.manifest(place.repository, reference);
  const manifest = stored === undefined ? undefined : await negotiate(exchange, stored);
  if (manifest === undefined) {
    throw new RegistryError('MANIFEST_UNKNOWN', { detail: { name: repository, reference } });
  }
  const { digest, mediaType, size } = manifest;
  const headers = { 'Content-Type': mediaType, 'Docker-Content-Digest': digest, ETag: `"${digest}"` };
  if (isUnchanged(request, digest)) return notModified(headers);
  const withLength = { ...headers, 'Content-Length': String(size) };
  if (request.method === 'HEAD') return new Response(null, { headers: withLength });
  return new Response(await manifest.bytes(), { headers: withLength });
}

/**
 * What fits the client's `Accept`, as docker-registry does it: a client that names types but not that of an OCI
 * document is told that there is none; one that asks by tag for a Docker list without knowing lists gets the manifest
 * for linux/amd64. A digest is always answered with what it names.
 */
async function negotiate(exchange: Exchange, stored: StoredManifest): Promise<StoredManifest | undefined> {
  const accepted = acceptedTypes(exchange.request.headers.get('accept'));
  if (accepted === undefined || accepted.has(stored.mediaType)) return stored;
  const { mediaType } = stored;
  if (mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.ociIndex) {
    const kind = mediaType === MEDIA_TYPES.ociIndex ? 'index' : 'manifest';
    throw new RegistryError('MANIFEST_UNKNOWN', {
      message: `OCI ${kind} found, but accept header does not support OCI ${kind === 'index' ? 'indexes' : 'manifests'}`,
    });
  }
  const byTag = kindOfReference(exchange.reference) === 'tag';
  if (!byTag || mediaType !== MEDIA_TYPES.dockerList || !accepted.has(MEDIA_TYPES.dockerManifest))
    return stored;
  const parsed = parseManifest(await stored.bytes(), mediaType);
  if (parsed.kind !== 'index') return stored;
  const platform = parsed.index.manifests.find(
    (entry) => entry.platform?.os === 'linux' && entry.platform.architecture === 'amd64',
  );
  if (platform === undefined) return undefined;
  return exchange.place.reader.manifest(exchange.place.repository, platform.digest);
}

/** The media types of an Accept header; undefined when everything is welcome. */
function acceptedTypes(header: string | null): Set<string> | undefined {
  if (header === null || header.trim() === '') return undefined;
  const types = new Set(header.split(',').map((item) => item.split(';', 1)[0]?.trim().toLowerCase() ?? ''));
  return types.has('*/*') || types.has('application/*') ? undefined : types;
}
