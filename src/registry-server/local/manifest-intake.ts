import { messageOf } from '../../base/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isForeignLayer, parseManifest } from '../../oci/manifest.ts';
import { RegistryError } from '../registry-error.ts';
import type { ReferrerDescriptor } from '../registry-server.ts';

/** A pushed manifest, read: what it refers to and what the referrers API will say of it. */
export interface ReadManifest {
  readonly mediaType: string;
  /** Digests that must be in the repository: blobs of a manifest, manifests of an index. */
  readonly children: readonly Descriptor[];
  /** Digest of the subject, which need not be there. */
  readonly subject: string | undefined;
  /** The entry in the subject's list, with `digest` and `size` of this manifest. */
  readonly referrer: ReferrerDescriptor | undefined;
}

/**
 * Reads a manifest. `contentType` is the request's or upstream's. Throws MANIFEST_INVALID for what is none, for a
 * media type that is not known, and for one whose content says otherwise.
 */
export function readPushedManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  digest: string,
): ReadManifest {
  const parsed = parse(bytes, contentType);
  const document = parsed.kind === 'index' ? parsed.index : parsed.manifest;
  const { mediaType, annotations } = document;
  const children =
    parsed.kind === 'index'
      ? parsed.index.manifests
      : [parsed.manifest.config, ...parsed.manifest.layers.filter((layer) => !isForeign(layer))];
  // image-spec, manifest.md: without an artifact type, a manifest's config tells what it is.
  const artifactType =
    document.artifactType ?? (parsed.kind === 'manifest' ? parsed.manifest.config.mediaType : undefined);
  const subject = document.subject?.digest;
  const referrer =
    subject === undefined
      ? undefined
      : {
          mediaType,
          digest,
          size: bytes.byteLength,
          ...(artifactType === undefined || artifactType === '' ? {} : { artifactType }),
          ...(annotations === undefined ? {} : { annotations }),
        };
  return { mediaType, children, subject, referrer };
}

function parse(bytes: Uint8Array, contentType: string | undefined) {
  try {
    return parseManifest(bytes, contentType);
  } catch (error) {
    throw new RegistryError('MANIFEST_INVALID', { message: messageOf(error), cause: error });
  }
}

/** Layers that are not to be redistributed stay where their URLs say. */
function isForeign(layer: Descriptor): boolean {
  return isForeignLayer(layer.mediaType);
}
