import { isKind, TareError } from '../../base/errors.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import { digestOf } from '../../oci/digest.ts';
import {
  type ImageManifest,
  MANIFEST_LIMIT,
  MEDIA_TYPES,
  type ParsedManifest,
  parseManifest,
} from '../../oci/manifest.ts';
import { parseImageConfig } from '../../oci/parse-image-config.ts';
import { canonicalName, parseReference } from '../../oci/reference.ts';
import type { ImageIndex } from './image-index.ts';
import type { Image } from './images.ts';
import type { LayerBlobs } from './layer-blobs.ts';

/** A manifest or index, byte for byte. */
export interface ImageDocument {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** What a push sends. */
export interface PushPlan {
  /** Top first, as dockerd lists them, each once. `blob`: the form that a kept manifest names. */
  readonly layers: readonly { readonly diffId: string; readonly blob?: Descriptor }[];
  readonly configs: readonly Descriptor[];
  /** What is kept, the one that the tag names last; empty when a manifest has to be made. */
  readonly documents: readonly ImageDocument[];
  /** Digest of a manifest that could not be kept, if there was one. */
  readonly lost?: string;
}

interface PlanParts {
  readonly content: ContentStore;
  readonly layerBlobs: Pick<LayerBlobs, 'find'>;
  readonly index: Pick<ImageIndex, 'blobsOf'>;
}

/** A document of an image with what it names, all of it here. */
interface Whole {
  readonly document: ImageDocument;
  readonly parsed: ParsedManifest;
  /** Documents below, in the order to push them. */
  readonly children: readonly Whole[];
}

interface Wanted {
  /** Canonical name. */
  readonly repository: string;
  readonly platform?: Platform | undefined;
  /** True for a blob that the registry is known to have: its bytes need not be here. */
  readonly reachable?: (digest: string) => boolean;
}

/**
 * Plans the push of an image. A manifest that it was pulled or pushed with is kept, and so its digest, when every
 * blob of it can be had; and the whole index above it, when that is complete, too, and no `platform` is asked for. Of
 * several the one that the repository has is taken. Without any, a Docker manifest is made, as dockerd does.
 */
export async function planPush(image: Image, wanted: Wanted, parts: PlanParts): Promise<PushPlan> {
  const documents = await readDocuments(image, parts);
  const isHere = ({ digest, size }: Descriptor): boolean =>
    parts.content.size(digest) === size ||
    parts.layerBlobs.find(digest)?.descriptor.size === size ||
    (wanted.reachable?.(digest) ?? false);
  const isOfImage = ({ parsed }: Omit<Whole, 'children'>): boolean =>
    parsed.kind === 'manifest' && parsed.manifest.config.digest === image.id;
  const whole = [...documents.values()].flatMap((each) => complete(each, documents, isHere) ?? []);
  const manifests = whole.filter(isOfImage);
  const indexes =
    wanted.platform === undefined
      ? whole.filter((index) => manifests.some((below) => contains(index, below)))
      : [];
  const names = new Set(
    image.repoDigests
      .map(parseReference)
      .flatMap((ref) => (canonicalName(ref) === wanted.repository ? (ref.digest ?? []) : [])),
  );
  const candidates = [...indexes, ...manifests];
  const chosen = candidates.find(({ document }) => names.has(document.digest)) ?? candidates[0];
  if (chosen === undefined) {
    const diffIds = [...new Set(image.config.rootfs.diff_ids.toReversed())];
    const config = await configOf(image, parts.content);
    const lost = [...documents.values()].find(isOfImage)?.document.digest;
    return {
      layers: diffIds.map((diffId) => ({ diffId })),
      configs: [config],
      documents: [],
      ...(lost === undefined ? {} : { lost }),
    };
  }
  return keep(chosen, parts.content);
}

async function configOf({ id }: Image, content: ContentStore): Promise<Descriptor> {
  const size = content.size(id);
  if (size === undefined)
    throw new TareError('corrupt', `the config of image ${id} is missing: pull it again`);
  return { mediaType: MEDIA_TYPES.dockerConfig, digest: id, size };
}

async function keep(chosen: Whole, content: ContentStore): Promise<PushPlan> {
  const layers = new Map<string, { diffId: string; blob: Descriptor }>();
  const configs = new Map<string, Descriptor>();
  const documents: ImageDocument[] = [];
  const add = async ({ document, parsed, children }: Whole): Promise<void> => {
    for (const child of children) await add(child);
    documents.push(document);
    if (parsed.kind === 'index') return;
    const { config, layers: blobs } = parsed.manifest;
    configs.set(config.digest, config);
    const diffIds = await diffIdsOf(parsed.manifest, content);
    for (const [i, blob] of [...blobs.entries()].toReversed()) {
      layers.set(blob.digest, { diffId: diffIds[i] ?? blob.digest, blob });
    }
  };
  await add(chosen);
  return { layers: [...layers.values()], configs: [...configs.values()], documents };
}

/** Attestations have layers without diff ids; these go by their digests. */
async function diffIdsOf({ config }: ImageManifest, content: ContentStore): Promise<readonly string[]> {
  try {
    return parseImageConfig(await content.read(config.digest)).rootfs.diff_ids;
  } catch (error) {
    if (isKind(error, 'corrupt', 'invalid')) return [];
    throw error;
  }
}

/** All manifests and indexes among an image's blobs. */
async function readDocuments(
  image: Image,
  { content, index, layerBlobs }: PlanParts,
): Promise<Map<string, Omit<Whole, 'children'>>> {
  const documents = new Map<string, Omit<Whole, 'children'>>();
  for (const digest of index.blobsOf(image.id)) {
    const size = content.size(digest);
    if (size === undefined || size > MANIFEST_LIMIT) continue;
    if (digest === image.id || layerBlobs.find(digest) !== undefined) continue;
    const bytes = await content.read(digest, MANIFEST_LIMIT);
    const parsed = tryParse(bytes);
    if (parsed === undefined) continue;
    const { mediaType } = parsed.kind === 'index' ? parsed.index : parsed.manifest;
    documents.set(digest, { document: { digest, mediaType, bytes }, parsed });
  }
  return documents;
}

function tryParse(bytes: Uint8Array): ParsedManifest | undefined {
  try {
    return parseManifest(bytes);
  } catch (error) {
    if (isKind(error, 'corrupt', 'invalid')) return undefined;
    throw error;
  }
}

/** The document with all below it; undefined when anything that it names is not here. */
function complete(
  { document, parsed }: Omit<Whole, 'children'>,
  documents: ReadonlyMap<string, Omit<Whole, 'children'>>,
  isHere: (blob: Descriptor) => boolean,
  depth = 0,
): Whole | undefined {
  if (parsed.kind === 'manifest') {
    const { config, layers } = parsed.manifest;
    return [config, ...layers].every(isHere) ? { document, parsed, children: [] } : undefined;
  }
  // Digests make a cycle impossible, but not a tower.
  if (depth > 4) return undefined;
  const children = parsed.index.manifests.map(({ digest }) => {
    const below = documents.get(digest);
    return below && complete(below, documents, isHere, depth + 1);
  });
  return children.every((child) => child !== undefined) ? { document, parsed, children } : undefined;
}

function contains(index: Whole, below: Whole): boolean {
  return index.children.some(
    (child) => child.document.digest === below.document.digest || contains(child, below),
  );
}

/** The manifest that dockerd makes of an image of its own: schema 2, indented by three spaces. */
export function schema2Manifest(
  image: Image,
  config: Uint8Array,
  layers: ReadonlyMap<string, Descriptor | undefined>,
): ImageDocument {
  const entry = (mediaType: string, { digest, size }: { digest: string; size: number }) => ({
    mediaType,
    size,
    digest,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.dockerManifest,
    config: entry(MEDIA_TYPES.dockerConfig, { digest: image.id, size: config.byteLength }),
    layers: image.config.rootfs.diff_ids.map((diffId) => {
      const layer = layers.get(diffId);
      if (layer === undefined) throw new TareError('internal', `the layer ${diffId} was not pushed`);
      return entry(MEDIA_TYPES.dockerLayerGzip, layer);
    }),
  };
  const bytes = Buffer.from(JSON.stringify(manifest, undefined, 3));
  return { digest: digestOf(bytes), mediaType: MEDIA_TYPES.dockerManifest, bytes };
}
