import { messageOf, TareError } from '../../base/errors.ts';
import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import { type ImageManifest, isIndexType, parseManifest } from '../../oci/manifest.ts';
import { choosePlatform, hostPlatform } from '../../oci/platform.ts';
import { canonicalString, tryParseReference, withDefaultTag } from '../../oci/reference.ts';

/** An image of an archive: names of members, and canonical tags. */
export interface ArchivedImage {
  readonly config: string;
  /** Lowest first. */
  readonly layers: readonly string[];
  readonly tags: readonly string[];
}

/** A manifest of an archive's OCI layout. */
export interface ArchivedManifest {
  readonly manifest: ImageManifest;
  /** Digests of the documents that lead to it: the one that `index.json` names first, its own last. */
  readonly path: readonly string[];
  readonly tags: readonly string[];
}

/** Small files of an archive by name. */
type Documents = ReadonlyMap<string, Uint8Array>;

/** Indexes inside of indexes are followed so deep. */
const DEPTH_LIMIT = 4;

/**
 * The images that an archive describes: by `manifest.json` (docker-archive) where there is one, as Docker does
 * it, else by `index.json` (OCI layout), of each index there the image for one of `platforms`, by default for this
 * machine, else the first that is there. Throws `corrupt`, or `not-found` for a platform that is not there.
 */
export function imagesOfArchive(documents: Documents, platforms: readonly Platform[]): ArchivedImage[] {
  const manifest = documents.get('manifest.json');
  if (manifest !== undefined) return dockerImages(manifest);
  if (documents.has('index.json')) return ociManifests(documents, platforms).map(toImage);
  throw new TareError(
    'corrupt',
    documents.has('repositories')
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

function toImage({ manifest, tags }: ArchivedManifest): ArchivedImage {
  return {
    config: blobPath(manifest.config.digest),
    layers: manifest.layers.map((layer) => blobPath(layer.digest)),
    tags,
  };
}

/** The manifests that `index.json` leads to, one an image. Throws as imagesOfArchive does. */
export function ociManifests(documents: Documents, platforms: readonly Platform[]): ArchivedManifest[] {
  const bytes = documents.get('index.json');
  if (bytes === undefined) return [];
  const parsed = parseManifest(bytes);
  if (parsed.kind !== 'index') throw malformed('index.json', 'it is no image index');
  const found = new Map<string, ArchivedManifest>();
  for (const descriptor of parsed.index.manifests) {
    const name = nameOf(descriptor);
    for (const platform of platforms.length > 0 ? platforms : [undefined]) {
      const { manifest, path } = manifestOf(descriptor, documents, platform, []);
      const digest = path.at(-1) ?? '';
      const before = found.get(digest);
      const tags = [...new Set([...(before?.tags ?? []), ...(name === undefined ? [] : [name])])];
      found.set(digest, { manifest, path: before?.path ?? path, tags });
    }
  }
  return [...found.values()];
}

/** The manifest a descriptor leads to. */
function manifestOf(
  descriptor: Descriptor,
  documents: Documents,
  platform: Platform | undefined,
  above: readonly string[],
): { manifest: ImageManifest; path: readonly string[] } {
  const bytes = documents.get(blobPath(descriptor.digest));
  if (bytes === undefined) {
    throw new TareError('corrupt', `invalid archive: the manifest ${descriptor.digest} is missing`);
  }
  const path = [...above, descriptor.digest];
  const parsed = parseManifest(bytes, descriptor.mediaType);
  if (parsed.kind === 'manifest') return { manifest: parsed.manifest, path };
  if (above.length >= DEPTH_LIMIT) throw malformed('index.json', 'indexes are nested too deep');
  const present = parsed.index.manifests.filter(({ digest }) => documents.has(blobPath(digest)));
  const chosen =
    choosePlatform(present, platform ?? hostPlatform()) ??
    (platform === undefined
      ? present.find(isImage)
      : present.find(({ mediaType }) => isIndexType(mediaType)));
  if (chosen === undefined) {
    throw new TareError(
      'not-found',
      `the archive's index ${descriptor.digest} has no image for this platform`,
    );
  }
  return manifestOf(chosen, documents, platform, path);
}

/** Not BuildKit's attestations, whose platform is `unknown/unknown`. */
function isImage({ platform }: Descriptor): boolean {
  return platform?.os !== 'unknown';
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

/** Where an OCI layout keeps a blob. */
export function blobPath(digest: string): string {
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
