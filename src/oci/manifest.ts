import { messageOf, TareError } from '../base/errors.ts';
import type { Descriptor, Platform } from './descriptor.ts';
import { isDigest } from './digest.ts';

/**
 * Image manifests and indexes: Docker's schema 2 pair and OCI's (image-spec manifest.md, image-index.md). They
 * come from strangers, so every field that is used is checked, and a document that could be read as both kinds
 * is refused (a registry that says "index" where a client reads "manifest" would otherwise show two images
 * under one digest).
 */
export const MEDIA_TYPES = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  dockerForeignLayerGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
} as const;

/** What a client asks a registry for, best first. */
export const MANIFEST_ACCEPT: readonly string[] = [
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerList,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
];

/** Largest manifest or index in bytes: the limit that registries and containerd use. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;
/** Most entries of one document; overlay takes 500 layers, and real indexes have dozens. */
const ENTRY_LIMIT = 10_000;

export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export type ParsedManifest =
  | { readonly kind: 'manifest'; readonly manifest: ImageManifest }
  | { readonly kind: 'index'; readonly index: ImageIndex };

export type LayerCompression = 'none' | 'gzip' | 'zstd';

const COMPRESSION: Readonly<Record<string, LayerCompression>> = {
  [MEDIA_TYPES.dockerLayer]: 'none',
  [MEDIA_TYPES.dockerLayerGzip]: 'gzip',
  [MEDIA_TYPES.dockerLayerZstd]: 'zstd',
  [MEDIA_TYPES.ociLayer]: 'none',
  [MEDIA_TYPES.ociLayerGzip]: 'gzip',
  [MEDIA_TYPES.ociLayerZstd]: 'zstd',
};
const MANIFEST_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.dockerManifest, MEDIA_TYPES.ociManifest]);
const INDEX_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.dockerList, MEDIA_TYPES.ociIndex]);

export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.has(mediaType);
}

export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.has(mediaType);
}

/** How a layer's tar is compressed by its media type; undefined when it is no layer we can unpack. */
export function layerCompression(mediaType: string): LayerCompression | undefined {
  return Object.hasOwn(COMPRESSION, mediaType) ? COMPRESSION[mediaType] : undefined;
}

/** True for layers that live outside the registry, whose redistribution is restricted (Windows bases). */
export function isForeignLayer(mediaType: string): boolean {
  return (
    mediaType.startsWith(MEDIA_TYPES.dockerForeignLayer) ||
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.')
  );
}

/**
 * Parses a manifest or an index. `contentType` is what the registry or the descriptor said it is; without it
 * the document's own `mediaType` or its shape decides. Throws `corrupt` for what is no manifest, `invalid` for
 * one that is too large or of a kind that is not supported.
 */
export function parseManifest(bytes: Uint8Array, contentType?: string): ParsedManifest {
  if (bytes.byteLength > MANIFEST_LIMIT) {
    throw new TareError(
      'invalid',
      `manifest of ${bytes.byteLength} bytes is larger than ${MANIFEST_LIMIT} bytes`,
    );
  }
  const document = parseObject(bytes);
  const declared = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const own = optionalString(document, 'mediaType', 'manifest');
  if (
    document.schemaVersion === 1 ||
    declared.startsWith('application/vnd.docker.distribution.manifest.v1')
  ) {
    throw new TareError(
      'invalid',
      'Docker image manifest version 2, schema 1 is not supported: push the image again with a newer tool',
    );
  }
  // Go programs that forget the version write zero; the media type then says what it is.
  if (document.schemaVersion !== 2 && (document.schemaVersion !== 0 || own === undefined))
    throw corrupt('schemaVersion must be 2');
  const isIndex = 'manifests' in document;
  if (isIndex && ('layers' in document || 'config' in document)) {
    throw corrupt('it has both manifests and layers');
  }
  const mediaType = mediaTypeOf(isIndex, own, declared);
  return isIndex
    ? { kind: 'index', index: readIndex(document, mediaType) }
    : { kind: 'manifest', manifest: readManifest(document, mediaType) };
}

/** The document's media type, the registry's and its shape have to agree. */
function mediaTypeOf(isIndex: boolean, own: string | undefined, declared: string): string {
  const known = isIndex ? INDEX_TYPES : MANIFEST_TYPES;
  const generic =
    declared === '' ||
    declared === 'application/json' ||
    declared === 'application/octet-stream' ||
    declared === 'text/plain';
  if (own !== undefined && !generic && own !== declared) {
    throw corrupt(`it says it is ${own}, but was served as ${declared}`);
  }
  const mediaType = own ?? (generic ? (isIndex ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest) : declared);
  if (known.has(mediaType)) return mediaType;
  if (INDEX_TYPES.has(mediaType) || MANIFEST_TYPES.has(mediaType)) {
    throw corrupt(`its content does not fit its media type ${mediaType}`);
  }
  throw new TareError('invalid', `unsupported manifest media type ${mediaType}`);
}

function readManifest(document: JsonObject, mediaType: string): ImageManifest {
  const config = readDescriptor(document.config, 'config');
  const layers = readDescriptors(document.layers, 'layers');
  return { schemaVersion: 2, mediaType, config, layers, ...readCommon(document) };
}

function readIndex(document: JsonObject, mediaType: string): ImageIndex {
  return {
    schemaVersion: 2,
    mediaType,
    manifests: readDescriptors(document.manifests, 'manifests'),
    ...readCommon(document),
  };
}

function readCommon(document: JsonObject): Pick<ImageManifest, 'artifactType' | 'subject' | 'annotations'> {
  const artifactType = optionalString(document, 'artifactType', 'manifest');
  const annotations = readStringMap(document.annotations, 'annotations');
  const subject = document.subject ?? undefined;
  return {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: readDescriptor(subject, 'subject') }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/**
 * The layers of an image that is to run, lowest first. Throws `invalid` for artifacts that are no image, for
 * foreign layers and for layer media types that cannot be unpacked.
 */
export function runnableLayers(manifest: ImageManifest): readonly Descriptor[] {
  const type = manifest.config.mediaType;
  // Old tools wrote schema 2 configs as octet streams; Docker takes them as images.
  const known: readonly string[] = [
    MEDIA_TYPES.dockerConfig,
    MEDIA_TYPES.ociConfig,
    'application/octet-stream',
    'text/plain',
    '',
  ];
  if (!known.includes(type)) {
    throw new TareError('invalid', `this is no container image: its config has the media type ${type}`);
  }
  for (const layer of manifest.layers) {
    if (isForeignLayer(layer.mediaType)) {
      throw new TareError(
        'invalid',
        `foreign layers are not supported: ${layer.digest} has the media type ${layer.mediaType}`,
      );
    }
    if (layerCompression(layer.mediaType) === undefined) {
      throw new TareError('invalid', `unsupported layer media type ${layer.mediaType} of ${layer.digest}`);
    }
  }
  return manifest.layers;
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw corrupt(`it is not JSON (${messageOf(error)})`, error);
  }
  return asObject(value, 'it');
}

function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw corrupt(`${what} is not an object`);
  }
  return value as JsonObject;
}

function readDescriptors(value: unknown, what: string): readonly Descriptor[] {
  // Go writes an empty list as null.
  if (value === null) return [];
  if (!Array.isArray(value)) throw corrupt(`${what} is not a list`);
  if (value.length > ENTRY_LIMIT) throw corrupt(`${what} has more than ${ENTRY_LIMIT} entries`);
  return value.map((entry: unknown, i) => readDescriptor(entry, `${what}[${i}]`));
}

/** Checks one descriptor; `what` names it in the error. */
export function readDescriptor(value: unknown, what: string): Descriptor {
  const object = asObject(value, what);
  const { digest, size } = object;
  if (typeof digest !== 'string' || !isDigest(digest)) throw corrupt(`${what} has no valid digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw corrupt(`${what} has no valid size`);
  }
  const platform = object.platform ?? undefined;
  const urls = object.urls ?? undefined;
  const annotations = readStringMap(object.annotations, `${what}.annotations`);
  return {
    mediaType: optionalString(object, 'mediaType', what) ?? '',
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform: readPlatform(platform, `${what}.platform`) }),
    ...(urls === undefined ? {} : { urls: readStrings(urls, `${what}.urls`) }),
  };
}

function readPlatform(value: unknown, what: string): Platform {
  const object = asObject(value, what);
  const variant = optionalString(object, 'variant', what);
  const version = optionalString(object, 'os.version', what);
  const features = object['os.features'] ?? undefined;
  return {
    os: optionalString(object, 'os', what) ?? '',
    architecture: optionalString(object, 'architecture', what) ?? '',
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': readStrings(features, `${what}.os.features`) }),
  };
}

/** A text; undefined when absent, null or empty. */
function optionalString(object: JsonObject, name: string, what: string): string | undefined {
  const value = object[name] ?? '';
  if (typeof value !== 'string') throw corrupt(`${what}.${name} is not a text`);
  return value === '' ? undefined : value;
}

function readStrings(value: unknown, what: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) {
    throw corrupt(`${what} is not a list of texts`);
  }
  return value;
}

function readStringMap(value: unknown, what: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value, what);
  for (const [name, item] of Object.entries(object)) {
    if (typeof item !== 'string') throw corrupt(`${what}.${name} is not a text`);
  }
  return object as Readonly<Record<string, string>>;
}

function corrupt(reason: string, cause?: unknown): TareError {
  return new TareError('corrupt', `invalid manifest: ${reason}`, cause);
}
