import { isKind } from '../../base/errors.ts';
import type { KeyedMutex } from '../../base/mutex.ts';
import type { ContentStore, Ingest } from '../../content/content.ts';
import { type DigestAlgorithm, digestOf, parseDigest } from '../../oci/digest.ts';
import { MANIFEST_LIMIT } from '../../oci/manifest.ts';
import { kindOfReference } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type {
  ManifestPush,
  Page,
  PushedManifest,
  ReferrerDescriptor,
  RegistryReader,
  RegistryWriter,
  Slice,
  StoredBlob,
  StoredManifest,
  UploadChunk,
} from '../registry-server.ts';
import { type ReadManifest, readPushedManifest } from './manifest-intake.ts';
import type { ManifestRow, RegistryMetadata } from './metadata.ts';
import type { Uploads } from './uploads.ts';

export interface LocalRegistryParts {
  readonly content: ContentStore;
  readonly metadata: RegistryMetadata;
  readonly uploads: Uploads;
  /** Per digest: making a link and removing a file exclude each other. Shared with the collector. */
  readonly fileLock: KeyedMutex;
  readonly now: () => number;
  /** The collector's, in milliseconds. */
  readonly grace: number;
}

/**
 * Repositories over the content store. Bytes are durable before a row names them; and a row is written under the
 * digest's lock after a look at the file, so that the collector, which removes a file under the same lock when no
 * row names it, can never take one that was just linked.
 *
 * Who asks for a blob may be about to push a manifest that refers to it and then does not send it. So a question for a
 * link that is about to become old enough for the collector, and that nothing refers to, makes it young again. That
 * is the *lease* of a push; it is a row, and a crash does not end it.
 */
export class LocalRegistry implements RegistryReader, RegistryWriter {
  readonly #parts: LocalRegistryParts;

  constructor(parts: LocalRegistryParts) {
    this.#parts = parts;
  }

  async manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const { metadata, content } = this.#parts;
    const kind = kindOfReference(reference);
    if (kind === 'neither') return undefined;
    const row =
      kind === 'digest' ? metadata.manifest(repository, reference) : metadata.tagged(repository, reference);
    if (row === undefined) return undefined;
    if (this.#isOld(row.pushedAt)) metadata.renewManifest(repository, row.digest, this.#parts.now());
    const { digest, mediaType, size } = row;
    return { digest, mediaType, size, bytes: () => content.read(digest, MANIFEST_LIMIT) };
  }

  async blob(repository: string, digest: string): Promise<StoredBlob | undefined> {
    const { metadata, content, now } = this.#parts;
    const link = metadata.blobLink(repository, digest);
    if (link === undefined) return undefined;
    if (this.#isOld(link.linkedAt)) metadata.renewLink(repository, digest, now());
    return { digest, size: link.size, source: { kind: 'file', path: content.path(digest) } };
  }

  #isOld(time: number): boolean {
    return time < this.#parts.now() - this.#parts.grace / 2;
  }

  async tags(repository: string, page: Page): Promise<Slice | undefined> {
    const { metadata } = this.#parts;
    if (!metadata.hasRepository(repository)) return undefined;
    return slice(page, (after, limit) => metadata.tags(repository, after, limit));
  }

  async repositories(page: Page): Promise<Slice> {
    return slice(page, (after, limit) => this.#parts.metadata.repositories(after, limit));
  }

  async referrers(repository: string, subject: string): Promise<readonly ReferrerDescriptor[]> {
    return this.#parts.metadata.referrers(repository, subject).map((text) => JSON.parse(text));
  }

  async startUpload(repository: string, algorithm: DigestAlgorithm): Promise<string> {
    return this.#parts.uploads.start(repository, algorithm);
  }

  uploadOffset(repository: string, id: string): Promise<number> {
    return this.#parts.uploads.offset(repository, id);
  }

  appendUpload(repository: string, id: string, chunk: UploadChunk): Promise<number> {
    return this.#parts.uploads.append(repository, id, chunk);
  }

  finishUpload(repository: string, id: string, digest: string, chunk: UploadChunk): Promise<void> {
    return this.#parts.uploads.finish(repository, id, chunk, (ingest) =>
      this.adoptIngest(repository, digest, ingest),
    );
  }

  cancelUpload(repository: string, id: string): Promise<void> {
    return this.#parts.uploads.cancel(repository, id);
  }

  async putBlob(repository: string, digest: string, chunk: UploadChunk): Promise<void> {
    const { algorithm } = parseDigest(digest);
    const ingest = await this.#parts.content.ingest(`put:${algorithm}:${crypto.randomUUID()}`);
    try {
      await this.#parts.uploads.receive(ingest, chunk);
      await this.adoptIngest(repository, digest, ingest);
    } finally {
      // After a commit there is nothing left to abort.
      await ingest.abort();
    }
  }

  /** Makes an ingest a blob of the repository. Throws DIGEST_INVALID. */
  async adoptIngest(repository: string, digest: string, ingest: Ingest): Promise<void> {
    const { metadata, fileLock, now } = this.#parts;
    await fileLock.run(digest, async () => {
      const { size } = await ingest.commit({ digest }).catch((error: unknown) => {
        if (!isKind(error, 'corrupt')) throw error;
        throw new RegistryError('DIGEST_INVALID', { detail: { digest }, cause: error });
      });
      metadata.linkBlob(repository, digest, size, now());
    });
  }

  async mountBlob(
    repository: string,
    digest: string,
    from: string | undefined,
    mayRead: (repository: string) => boolean,
  ): Promise<boolean> {
    const { metadata } = this.#parts;
    const candidates = from === undefined ? metadata.repositoriesWith(digest) : [from];
    const isSource = (name: string) => mayRead(name) && metadata.blobLink(name, digest) !== undefined;
    return this.adoptStored(repository, digest, () => candidates.some(isSource));
  }

  /** Links a blob whose bytes are stored already, whoever has it; false when they are not, or `allowed` says so. */
  async adoptStored(
    repository: string,
    digest: string,
    allowed: () => boolean = () => true,
  ): Promise<boolean> {
    const { metadata, content, fileLock, now } = this.#parts;
    return fileLock.run(digest, async () => {
      const size = content.size(digest);
      if (size === undefined || !allowed()) return false;
      metadata.linkBlob(repository, digest, size, now());
      return true;
    });
  }

  async putManifest(repository: string, push: ManifestPush): Promise<PushedManifest> {
    const { reference, bytes } = push;
    const byDigest = kindOfReference(reference) === 'digest';
    const digest = digestOf(bytes, byDigest ? parseDigest(reference).algorithm : 'sha256');
    if (byDigest && digest !== reference) {
      throw new RegistryError('DIGEST_INVALID', { detail: { digest: reference, actual: digest } });
    }
    const read = readPushedManifest(bytes, push.mediaType, digest);
    this.#requireChildren(repository, read);
    const tags = byDigest ? push.tags : [reference, ...push.tags];
    await this.storeManifest(repository, digest, read, bytes, tags, () =>
      this.#requireChildren(repository, read),
    );
    return { digest, subject: read.subject };
  }

  /** Stores a manifest's bytes and then its row, in one transaction with the last `check`. */
  async storeManifest(
    repository: string,
    digest: string,
    read: ReadManifest,
    bytes: Uint8Array,
    tags: readonly string[],
    check: () => void = () => {},
  ): Promise<void> {
    const { metadata, content, fileLock, now } = this.#parts;
    const row: ManifestRow = {
      digest,
      mediaType: read.mediaType,
      size: bytes.byteLength,
      subject: read.subject,
      referrer: read.referrer === undefined ? undefined : JSON.stringify(read.referrer),
      pushedAt: now(),
    };
    const children = [...new Set(read.children.map((child) => child.digest))];
    await fileLock.run(digest, async () => {
      await storeBytes(content, digest, bytes);
      metadata.transaction(() => {
        check();
        metadata.putManifest(repository, row, children, tags);
      });
    });
  }

  #requireChildren(repository: string, read: ReadManifest): void {
    const { metadata } = this.#parts;
    const missing = read.children.filter(
      ({ digest }) =>
        metadata.blobLink(repository, digest) === undefined &&
        metadata.manifest(repository, digest) === undefined,
    );
    if (missing.length === 0) return;
    throw new RegistryError('MANIFEST_BLOB_UNKNOWN', {
      message: `the repository ${repository} lacks what the manifest refers to: push it first`,
      detail: missing.slice(0, 100).map(({ digest }) => ({ digest })),
    });
  }

  deleteTag(repository: string, tag: string): boolean {
    return this.#parts.metadata.deleteTag(repository, tag, this.#parts.now());
  }

  deleteManifest(repository: string, digest: string): boolean {
    return this.#parts.metadata.deleteManifest(repository, digest, this.#parts.now());
  }

  deleteBlob(repository: string, digest: string): boolean {
    return this.#parts.metadata.unlinkBlob(repository, digest);
  }
}

/** `put` knows sha256 only. */
async function storeBytes(content: ContentStore, digest: string, bytes: Uint8Array): Promise<void> {
  if (content.size(digest) === bytes.byteLength) return;
  const { algorithm } = parseDigest(digest);
  const ingest = await content.ingest(`put:${algorithm}:${crypto.randomUUID()}`);
  try {
    await ingest.write(bytes);
    await ingest.commit({ digest, size: bytes.byteLength });
  } finally {
    await ingest.abort();
  }
}

function slice({ limit, last }: Page, names: (after: string, limit: number) => string[]): Slice {
  if (limit === undefined) return { names: names(last ?? '', -1), more: false };
  if (limit === 0) return { names: [], more: false };
  const found = names(last ?? '', limit + 1);
  return { names: found.slice(0, limit), more: found.length > limit };
}
