/**
 * What the local registry keeps beside the bytes; `src/store/tables/registry.ts` is the one implementation. Every
 * call is synchronous and durable when it returns, and `transaction` makes several of them one. Times are
 * milliseconds since the epoch. Names of repositories that do not exist are no error: nothing is found there.
 */
export interface RegistryMetadata {
  transaction<T>(body: () => T): T;

  hasRepository(name: string): boolean;
  /** Repositories with at least one manifest, by name. */
  repositories(after: string, limit: number): string[];

  blobLink(repository: string, digest: string): BlobLink | undefined;
  /** Links, or renews the time of a link. Makes the repository. */
  linkBlob(repository: string, digest: string, size: number, at: number): void;
  unlinkBlob(repository: string, digest: string): boolean;
  repositoriesWith(digest: string): string[];
  /** Gives a link that no manifest refers to a new time, so that the collector leaves it alone. */
  renewLink(repository: string, digest: string, at: number): void;
  /** True when any link or manifest names the digest. */
  isHeld(digest: string): boolean;

  manifest(repository: string, digest: string): ManifestRow | undefined;
  tagged(repository: string, tag: string): ManifestRow | undefined;
  /** Gives a manifest without a tag a new time. */
  renewManifest(repository: string, digest: string, at: number): void;
  /** Writes the row, what it refers to, and tags. A manifest that loses a tag by it has a new time. */
  putManifest(
    repository: string,
    row: ManifestRow,
    children: readonly string[],
    tags: readonly string[],
  ): void;
  /** Deletes it with its tags; what it referred to has a new time. */
  deleteManifest(repository: string, digest: string, at: number): boolean;
  /** The manifest that had it has a new time. */
  deleteTag(repository: string, tag: string, at: number): boolean;
  /** In the specification's order. */
  tags(repository: string, after: string, limit: number): string[];
  /** The `referrer` texts of manifests with this subject, oldest first. */
  referrers(repository: string, subject: string): string[];

  putUpload(upload: UploadRow): void;
  upload(id: string): UploadRow | undefined;
  touchUpload(id: string, at: number): void;
  deleteUpload(id: string): void;
  uploads(): UploadRow[];

  /**
   * Links older than `cutoff` that no manifest of their repository refers to, where no upload was begun or went on
   * since: that one may be a later blob of the same push.
   */
  unreferencedLinks(cutoff: number): { repository: string; digest: string }[];
  /** Unlinks one of these if it still is one. */
  unlinkUnreferenced(repository: string, digest: string, cutoff: number): boolean;
  /** Manifests pushed before `cutoff` that have no tag, are in no index and refer to no subject that is there. */
  untaggedManifests(cutoff: number): { repository: string; digest: string }[];
  /** Deletes one of these if it still is one. */
  deleteUntagged(repository: string, digest: string, cutoff: number, at: number): boolean;
  /** Forgets repositories that have nothing. */
  dropEmptyRepositories(): number;
  counts(): { repositories: number; manifests: number; tags: number; links: number; uploads: number };
}

export interface BlobLink {
  readonly size: number;
  /** When it was made or renewed. */
  readonly linkedAt: number;
}

export interface ManifestRow {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly subject: string | undefined;
  /** The entry of the referrers API as JSON, if it has a subject. */
  readonly referrer: string | undefined;
  /** When it was pushed or renewed. */
  readonly pushedAt: number;
}

export interface UploadRow {
  readonly id: string;
  readonly repository: string;
  /** Hash that runs along; a blob of another algorithm is read again at its end. */
  readonly algorithm: string;
  readonly touchedAt: number;
}
