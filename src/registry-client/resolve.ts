import { TareError } from '../base/errors.ts';
import type { ContentStore } from '../content/content.ts';
import type { Descriptor, Platform } from '../oci/descriptor.ts';
import { type DigestAlgorithm, digestOf, isDigest, parseDigest } from '../oci/digest.ts';
import {
  type ImageIndex,
  type ImageManifest,
  isIndexType,
  isManifestType,
  MANIFEST_ACCEPT,
  MANIFEST_LIMIT,
  parseManifest,
} from '../oci/manifest.ts';
import { choosePlatform, formatPlatform } from '../oci/platform.ts';
import { manifestSelector, type Reference } from '../oci/reference.ts';
import { responseFailure } from './response-failure.ts';
import { withRetries } from './retry.ts';
import type { RegistrySession } from './session.ts';
import { readAll } from './transport.ts';

/** Real images have one index; OCI allows indexes in indexes, and strangers could nest them without end. */
const DEPTH_LIMIT = 4;

export interface ResolvedImage {
  /** Of the document that the reference names. */
  readonly digest: string;
  readonly manifestDigest: string;
  readonly manifestBytes: Uint8Array;
  readonly manifest: ImageManifest;
  readonly documents: readonly ResolvedDocument[];
}

export interface ResolvedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/**
 * Finds the manifest for a platform: fetches what the reference names and goes down through indexes. Bytes are
 * checked against the digest that named them. Nested documents that are in `content` are not fetched. Throws
 * `not-found` with Docker's words, `corrupt`, `unauthorized` or `unavailable`.
 */
export async function resolveImage(
  session: RegistrySession,
  ref: Reference,
  platform: Platform,
  content: ContentStore,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const documents: ResolvedDocument[] = [];
  let next = await fetchDocument(session, ref, manifestSelector(ref), signal);
  for (;;) {
    const { bytes, descriptor, contentType } = next;
    const parsed = parseManifest(bytes, contentType);
    const mediaType = parsed.kind === 'index' ? parsed.index.mediaType : parsed.manifest.mediaType;
    documents.push({ descriptor: { ...descriptor, mediaType }, bytes });
    if (parsed.kind === 'manifest') {
      const digest = documents[0]?.descriptor.digest ?? descriptor.digest;
      const { manifest } = parsed;
      return { digest, manifestDigest: descriptor.digest, manifestBytes: bytes, manifest, documents };
    }
    if (documents.length > DEPTH_LIMIT) {
      throw new TareError('corrupt', `invalid manifest: indexes are nested more than ${DEPTH_LIMIT} deep`);
    }
    const chosen = chooseEntry(parsed.index, platform);
    next = (await readStored(content, chosen)) ?? (await fetchChosen(session, ref, chosen, signal));
  }
}

interface Document {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  readonly contentType: string | undefined;
}

function chooseEntry(index: ImageIndex, platform: Platform): Descriptor {
  const usable = index.manifests.filter(
    ({ mediaType }) => mediaType === '' || isManifestType(mediaType) || isIndexType(mediaType),
  );
  const chosen = choosePlatform(usable, platform);
  if (chosen !== undefined) return chosen;
  throw new TareError(
    'not-found',
    `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`,
  );
}

async function readStored(content: ContentStore, entry: Descriptor): Promise<Document | undefined> {
  if (entry.size > MANIFEST_LIMIT || content.size(entry.digest) !== entry.size) return undefined;
  const bytes = await content.read(entry.digest, MANIFEST_LIMIT);
  return { bytes, descriptor: entry, contentType: entry.mediaType };
}

async function fetchChosen(
  session: RegistrySession,
  ref: Reference,
  entry: Descriptor,
  signal: AbortSignal,
): Promise<Document> {
  const { bytes } = await fetchDocument(session, ref, entry.digest, signal);
  if (bytes.byteLength !== entry.size) {
    throw new TareError(
      'corrupt',
      `manifest ${entry.digest} has ${bytes.byteLength} bytes, not ${entry.size}`,
    );
  }
  // The index says what the entry is; another kind under its digest is a lie.
  return { bytes, descriptor: entry, contentType: entry.mediaType };
}

/** Fetches a manifest by tag or digest and checks it against the digest it was asked or sent with. */
export async function fetchDocument(
  session: RegistrySession,
  ref: Reference,
  selector: string,
  signal: AbortSignal,
  failureOf = responseFailure,
): Promise<Document> {
  return withRetries(session.retryPolicy(signal), async () => {
    const headers = { Accept: MANIFEST_ACCEPT.join(', ') };
    const response = await session.get(ref, `manifests/${selector}`, headers, signal);
    if (response.status !== 200) throw await failureOf(response, ref);
    const bytes = await readAll(response, MANIFEST_LIMIT, `manifest ${selector}`);
    const served = response.headers.get('docker-content-digest') ?? '';
    const digest = isDigest(selector) ? selector : isDigest(served) ? served : digestOf(bytes);
    if (digestOf(bytes, algorithmOf(digest)) !== digest) {
      throw new TareError('corrupt', `manifest verification failed for digest ${digest}`);
    }
    const contentType = response.headers.get('content-type') ?? undefined;
    return { bytes, descriptor: { mediaType: '', digest, size: bytes.byteLength }, contentType };
  });
}

function algorithmOf(digest: string): DigestAlgorithm {
  return parseDigest(digest).algorithm;
}
