import type { Descriptor } from '../oci/descriptor.ts';
import type { DigestAlgorithm } from '../oci/digest.ts';

/**
 * The registry server: the OCI Distribution specification 1.1 over HTTP.
 *
 * Terms: a *repository* is a path such as `team/app`; it has *manifests* by digest, *tags* that name manifests,
 * and *blobs*. A blob's bytes are stored once for all repositories, but a repository sees only blobs that were
 * pushed to it, mounted into it or fetched through it: the *link* is what gives the right. An *upload* is a blob
 * that is being pushed, named by an id; it survives a restart. A *referrer* is a manifest whose `subject` is
 * another manifest.
 *
 * The HTTP side (`handlers/`) knows nothing of storage: it speaks to a `RegistryReader` and, where pushing is
 * possible, to a `RegistryWriter`. `local/` implements both over the content store; `proxy/` is a reader that
 * fetches what it does not have from another registry; `engine/` is a reader over the engine's own images.
 *
 * Example: `docker pull host/team/app:v1` asks HEAD and then GET `/v2/team/app/manifests/v1`, which is
 * `reader.manifest('team/app', 'v1')`; then GET `/v2/team/app/blobs/sha256:ab…`, which is `reader.blob('team/app',
 * 'sha256:ab…')`, whose file goes to the socket without passing through this program.
 */
export interface RegistryReader {
  /** `reference` is a tag or a digest. Undefined: the repository has no such manifest. */
  manifest(repository: string, reference: string): Promise<StoredManifest | undefined>;
  /** `wanted: 'size'` for a HEAD: nothing need be fetched for it. */
  blob(repository: string, digest: string, wanted: 'size' | 'content'): Promise<StoredBlob | undefined>;
  /** Tags in the specification's order (letters without their case) after `last`; undefined: no such repository. */
  tags(repository: string, page: Page): Promise<Slice | undefined>;
  /** Names of repositories in order after `last`. */
  repositories(page: Page): Promise<Slice>;
  /** Manifests of the repository with this subject; none is an empty list. */
  referrers(repository: string, subject: string): Promise<readonly ReferrerDescriptor[]>;
}

export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  bytes(): Promise<Uint8Array>;
}

export interface StoredBlob {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly source: BlobSource;
}

/** Where a blob's bytes come from. A stream may be read once; it fails when the bytes turn out to be others. */
export type BlobSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stream'; readonly open: () => ReadableStream<Uint8Array> }
  /** For `wanted: 'size'`. */
  | { readonly kind: 'none' };

export interface Page {
  /** Most entries; undefined: all. */
  readonly limit: number | undefined;
  /** Only what follows this name. */
  readonly last: string | undefined;
}

export interface Slice {
  readonly names: readonly string[];
  /** True when names follow. */
  readonly more: boolean;
}

/** An entry of the referrers API's answer. */
export interface ReferrerDescriptor extends Descriptor {
  readonly artifactType?: string;
}

export interface RegistryWriter {
  /** Starts an upload and returns its id. */
  startUpload(repository: string, algorithm: DigestAlgorithm): Promise<string>;
  /** Bytes received so far. Throws BLOB_UPLOAD_UNKNOWN. */
  uploadOffset(repository: string, id: string): Promise<number>;
  /** Appends and returns the new offset; what came before a cut stays. */
  appendUpload(repository: string, id: string, chunk: UploadChunk): Promise<number>;
  /** Appends the last chunk, checks the whole against `digest` and links it. Throws DIGEST_INVALID. */
  finishUpload(repository: string, id: string, digest: string, chunk: UploadChunk): Promise<void>;
  cancelUpload(repository: string, id: string): Promise<void>;
  /** Stores a blob that comes whole with one request. */
  putBlob(repository: string, digest: string, chunk: UploadChunk): Promise<void>;
  /** Links a blob that `from`, or without it any repository that the caller may read, has; false when none does. */
  mountBlob(
    repository: string,
    digest: string,
    from: string | undefined,
    mayRead: (repository: string) => boolean,
  ): Promise<boolean>;
  putManifest(repository: string, push: ManifestPush): Promise<PushedManifest>;
  /** These return false when there was nothing to delete. */
  deleteTag(repository: string, tag: string): boolean;
  deleteManifest(repository: string, digest: string): boolean;
  deleteBlob(repository: string, digest: string): boolean;
}

/** Bytes of an upload as one request brings them. */
export interface UploadChunk {
  /** Null: the request has none. */
  readonly body: ReadableStream<Uint8Array> | null;
  /** From Content-Range; undefined: wherever the upload stands. */
  readonly start?: number;
  /** What Content-Length or Content-Range promise. */
  readonly length?: number;
}

export interface ManifestPush {
  /** A tag or a digest. */
  readonly reference: string;
  /** Further tags to set, when `reference` is a digest. */
  readonly tags: readonly string[];
  readonly mediaType: string | undefined;
  readonly bytes: Uint8Array;
}

export interface PushedManifest {
  readonly digest: string;
  readonly subject: string | undefined;
}
