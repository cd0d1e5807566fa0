import { TareError } from '../base/errors.ts';
import type { Descriptor, Platform } from '../oci/descriptor.ts';
import { digestOf, parseDigest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { IMAGE_CONFIG_LIMIT, parseImageConfig } from '../oci/parse-image-config.ts';
import { manifestSelector, type Reference, withDefaultTag } from '../oci/reference.ts';
import { plainFailure } from './plain-failure.ts';
import type { InspectedReference } from './registry-client.ts';
import { fetchDocument } from './resolve.ts';
import { withRetries } from './retry.ts';
import type { RegistrySession } from './session.ts';
import { type HttpResponse, readAll } from './transport.ts';

/** Reads what a reference names, and no layer. Throws as fetchImage, in the registry's words. */
export async function inspectReference(
  session: RegistrySession,
  given: Reference,
  signal: AbortSignal,
): Promise<InspectedReference> {
  const ref = withDefaultTag(given);
  const selector = manifestSelector(ref);
  const failureOf = (response: HttpResponse) => plainFailure(response, 'GET');
  const found = await fetchDocument(session, ref, selector, signal, failureOf);
  const { bytes, descriptor, contentType } = found;
  const parsed = parseManifest(bytes, contentType);
  if (parsed.kind === 'index') {
    const { index } = parsed;
    const platforms = index.manifests.flatMap(({ platform }) => platform ?? []);
    return { descriptor: { ...descriptor, mediaType: index.mediaType }, bytes, platforms };
  }
  const { manifest } = parsed;
  return {
    descriptor: { ...descriptor, mediaType: manifest.mediaType },
    bytes,
    platforms: await platformsOf(session, ref, manifest.config, signal),
  };
}

/** An artifact's config has no platform; that is no error. */
async function platformsOf(
  session: RegistrySession,
  ref: Reference,
  config: Descriptor,
  signal: AbortSignal,
): Promise<Platform[]> {
  const bytes = await fetchSmallBlob(session, ref, config, signal);
  try {
    const { os, architecture, variant } = parseImageConfig(bytes);
    return [{ architecture, os, ...(variant === undefined ? {} : { variant }) }];
  } catch {
    return [];
  }
}

async function fetchSmallBlob(
  session: RegistrySession,
  ref: Reference,
  { digest }: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return withRetries(session.retryPolicy(signal), async () => {
    const response = await session.get(ref, `blobs/${digest}`, {}, signal);
    if (response.status !== 200) throw await plainFailure(response, 'GET');
    const bytes = await readAll(response, IMAGE_CONFIG_LIMIT, `image config ${digest}`);
    if (digestOf(bytes, parseDigest(digest).algorithm) === digest) return bytes;
    throw new TareError('corrupt', `image config verification failed for digest ${digest}`);
  });
}
