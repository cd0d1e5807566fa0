import { checkDigest, kindOfReference } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type { RegistryWriter } from '../registry-server.ts';
import type { Exchange } from './exchange.ts';
import { requireWriter } from './push-blob.ts';

/** DELETE of a manifest or a tag (end-9). */
export async function deleteManifest(exchange: Exchange): Promise<Response> {
  const { reference, repository, place } = exchange;
  const writer = requireDeletion(exchange);
  const kind = kindOfReference(reference);
  const deleted =
    kind === 'digest'
      ? writer.deleteManifest(place.repository, reference)
      : kind === 'tag' && writer.deleteTag(place.repository, reference);
  if (!deleted) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { name: repository, reference } });
  return new Response(null, { status: 202 });
}

/** DELETE of a blob (end-10): of the repository's right to it; the collector takes the bytes. */
export async function deleteBlob(exchange: Exchange): Promise<Response> {
  const { reference, repository, place } = exchange;
  const writer = requireDeletion(exchange);
  const digest = checkDigest(reference);
  if (!writer.deleteBlob(place.repository, digest)) {
    throw new RegistryError('BLOB_UNKNOWN', { detail: { name: repository, digest } });
  }
  return new Response(null, { status: 202 });
}

function requireDeletion(exchange: Exchange): RegistryWriter {
  const writer = requireWriter(exchange);
  if (exchange.place.mayDelete) return writer;
  throw new RegistryError('UNSUPPORTED', {
    message: 'deletion is disabled: start the registry with --delete',
  });
}
