import { messageOf, TareError } from '../../base/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { type ImageManifest, isIndexType, parseManifest } from '../../oci/manifest.ts';
import { choosePlatform, hostPlatform } from '../../oci/platform.ts';
import { canonicalString, tryParseReference, withDefaultTag } from '../../oci/reference.ts';
import type { ArchiveContents } from './load.ts';

/** An image of an archive: names of members, and canonical tags. */
export interface ArchivedImage {
  readonly config: string;
  /** Lowest first. */
  readonly layers: readonly string[];
  readonly tags: readonly string[];
}

/** Indexes inside of indexes are followed so deep. */
const DEPTH_LIMIT = 4;

/**
 * The images that an archive describes: by `manifest.json` (docker-archive) where there is one, as Docker does
 * it, else by `index.json` (OCI layout). Throws `corrupt`.
 */
export function imagesOfArchive(contents: Pick<ArchiveContents, 'documents'>): ArchivedImage[] {
  const manifest = contents.documents.get('manifest.json');
  if (manifest !== undefined) return dockerImages(manifest);
  const index = contents.documents.get('index.json');
  if (index !== undefined) return ociImages(index, contents.documents);
  throw new TareError(
    'corrupt',
    contents.documents.has('repositories')
      ? 'invalid archive: it is of the format that Docker wrote before version 1.10; save it again with a newer one'
      : 'invalid archive: it holds neither manifest.json (docker save) nor index.json (OCI layout)',
  );
}

function dockerImages(bytes: Uint8Array): ArchivedImage[] {
  const list = parseJson(bytes, 'manifest.json');
  if (!Array.isArray(list)) throw malformed('manifest.json', 'it is no list');
  return list.map((item: unknown) => {
    if (typeof item !== 'object' || item === null) throw malformed('manifest.json', 'an entry is no object');
    const { Config, Layers, RepoTags } = item as Readonly<Record<string, unknown>>;
    if (typeof Config !== 'string') throw malformed('manifest.json', 'Config is missing');
    const layers = Layers ?? [];
    const tags = RepoTags ?? [];
    if (!isTextList(layers) || !isTextList(tags)) {
      throw malformed('manifest.json', 'Layers and RepoTags have to be lists of texts');
    }
    return { config: Config, layers, tags: tags.map((tag) => tagName(tag)) };
  });
}

function ociImages(bytes: Uint8Array, documents: ReadonlyMap<string, Uint8Array>): ArchivedImage[] {
  const parsed = parseManifest(bytes);
  if (parsed.kind !== 'index') throw malformed('index.json', 'it is no image index');
  const images = new Map<string, ArchivedImage>();
  for (const descriptor of parsed.index.manifests) {
    const name = nameOf(descriptor);
    const { manifest, digest } = manifestOf(descriptor, documents, 0);
    const before = images.get(digest);
    images.set(digest, {
      config: blobPath(manifest.config.digest),
      layers: manifest.layers.map((layer) => blobPath(layer.digest)),
      tags: [...new Set([...(before?.tags ?? []), ...(name === undefined ? [] : [name])])],
    });
  }
  return [...images.values()];
}

/** The manifest a descriptor leads to; of an index the one for this machine. */
function manifestOf(
  descriptor: Descriptor,
  documents: ReadonlyMap<string, Uint8Array>,
  depth: number,
): { manifest: ImageManifest; digest: string } {
  const bytes = documents.get(blobPath(descriptor.digest));
  if (bytes === undefined) {
    throw new TareError('corrupt', `invalid archive: the manifest ${descriptor.digest} is missing`);
  }
  const parsed = parseManifest(bytes, descriptor.mediaType);
  if (parsed.kind === 'manifest') return { manifest: parsed.manifest, digest: descriptor.digest };
  if (depth >= DEPTH_LIMIT) throw malformed('index.json', 'indexes are nested too deep');
  const present = parsed.index.manifests.filter(
    (entry) => documents.has(blobPath(entry.digest)) || isIndexType(entry.mediaType),
  );
  const chosen = choosePlatform(present, hostPlatform());
  if (chosen === undefined) {
    throw new TareError(
      'not-found',
      `the archive's index ${descriptor.digest} has no image for this platform`,
    );
  }
  return manifestOf(chosen, documents, depth + 1);
}

/** containerd's and Docker's annotation is the whole name; the OCI's own may be only a tag, which names nothing. */
function nameOf(descriptor: Descriptor): string | undefined {
  const { annotations = {} } = descriptor;
  const full = annotations['io.containerd.image.name'];
  if (full !== undefined) return tagName(full);
  const name = annotations['org.opencontainers.image.ref.name'];
  return name !== undefined && /[/:]/.test(name) ? tagName(name) : undefined;
}

function tagName(text: string): string {
  const parsed = tryParseReference(text);
  if (parsed === undefined || parsed.digest !== undefined) {
    throw new TareError('corrupt', `invalid archive: invalid tag ${JSON.stringify(text)}`);
  }
  return canonicalString(withDefaultTag(parsed));
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function parseJson(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw malformed(name, messageOf(error));
  }
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function malformed(name: string, reason: string): TareError {
  return new TareError('corrupt', `invalid archive: ${name}: ${reason}`);
}
