import type { Descriptor } from '../../oci/descriptor.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { platformDocument } from './list-document.ts';

/**
 * One image's manifest as docker's CLI keeps and prints it (`manifest inspect -v`). The names and their order are
 * docker's, so that either client can go on with the other's lists.
 */
export interface StoredManifest {
  /** The image's reference, in full. */
  readonly Ref: string;
  /** What the manifest is; `platform` is what the list will say of it. */
  readonly Descriptor: Descriptor;
  /** The manifest's bytes in Base64. */
  readonly Raw: string;
  readonly SchemaV2Manifest?: unknown;
  readonly OCIManifest?: unknown;
}

/** A manifest in docker's form. `bytes` is JSON. */
export function storedManifest(reference: string, descriptor: Descriptor, bytes: Uint8Array): StoredManifest {
  const { mediaType, digest, size, platform } = descriptor;
  const document: unknown = JSON.parse(new TextDecoder().decode(bytes));
  return {
    Ref: reference,
    Descriptor: {
      mediaType,
      digest,
      size,
      ...(platform === undefined ? {} : { platform: platformDocument(platform) }),
    },
    Raw: Buffer.from(bytes).toString('base64'),
    ...(mediaType === MEDIA_TYPES.dockerManifest
      ? { SchemaV2Manifest: document }
      : { OCIManifest: document }),
  };
}

/** The bytes of a kept manifest. */
export function bytesOf(manifest: StoredManifest): Uint8Array {
  return new Uint8Array(Buffer.from(manifest.Raw, 'base64'));
}
