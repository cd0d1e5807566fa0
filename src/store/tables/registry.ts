import type { Database } from '../database.ts';

interface ManifestRecord {
  digest: string;
  media_type: string;
  size: number;
  subject: string | null;
  referrer: string | null;
  pushed_at: number;
}

interface ManifestValue {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly subject: string | undefined;
  readonly referrer: string | undefined;
  readonly pushedAt: number;
}

interface UploadValue {
  readonly id: string;
  readonly repository: string;
  readonly algorithm: string;
  readonly touchedAt: number;
}

interface Place {
  readonly repository: string;
  readonly digest: string;
}

const MANIFEST = 'm.digest, m.media_type, m.size, m.subject, m.referrer, m.pushed_at';
const REPOSITORY = '(SELECT id FROM repositories WHERE name = ?)';
/** Of a row of `blob_links`: no manifest refers to it. */
const UNREFERENCED = `NOT EXISTS (SELECT 1 FROM manifest_children c
  WHERE c.repository_id = blob_links.repository_id AND c.child = blob_links.digest)`;
/** Of a row of `manifests`: it has no tag, is in no index and refers to no subject that is there. */
const UNTAGGED = `NOT EXISTS (SELECT 1 FROM tags t
    WHERE t.repository_id = manifests.repository_id AND t.digest = manifests.digest)
  AND NOT EXISTS (SELECT 1 FROM manifest_children c
    WHERE c.repository_id = manifests.repository_id AND c.child = manifests.digest)
  AND NOT EXISTS (SELECT 1 FROM manifests s
    WHERE s.repository_id = manifests.repository_id AND s.digest = manifests.subject)`;

/** All rows of the registry server (migrations/registry.ts), by names of repositories. */
export class RegistryTable {
  readonly #database: Database;
  readonly #statements;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  transaction<T>(body: () => T): T {
    return this.#database.transaction(body);
  }

  hasRepository(name: string): boolean {
    return this.#statements.repository.get(name) !== null;
  }

  repositories(after: string, limit: number): string[] {
    return this.#statements.repositories.all(after, limit).map(({ name }) => name);
  }

  #ensure(name: string): number {
    this.#statements.addRepository.run(name);
    return this.#statements.repository.get(name)!.id;
  }

  blobLink(repository: string, digest: string): { size: number; linkedAt: number } | undefined {
    return this.#statements.blobLink.get(repository, digest) ?? undefined;
  }

  renewLink(repository: string, digest: string, at: number): void {
    this.#statements.renewLink.run(at, repository, digest);
  }

  renewManifest(repository: string, digest: string, at: number): void {
    this.#statements.renewManifest.run(at, repository, digest);
  }

  linkBlob(repository: string, digest: string, size: number, at: number): void {
    this.transaction(() => this.#statements.link.run(this.#ensure(repository), digest, size, at));
  }

  unlinkBlob(repository: string, digest: string): boolean {
    return this.#statements.unlink.run(repository, digest).changes > 0;
  }

  repositoriesWith(digest: string): string[] {
    return this.#statements.repositoriesWith.all(digest).map(({ name }) => name);
  }

  isHeld(digest: string): boolean {
    return this.#statements.held.get(digest, digest) !== null;
  }

  manifest(repository: string, digest: string): ManifestValue | undefined {
    return manifestValue(this.#statements.manifest.get(repository, digest));
  }

  tagged(repository: string, tag: string): ManifestValue | undefined {
    return manifestValue(this.#statements.tagged.get(repository, tag));
  }

  putManifest(
    repository: string,
    row: ManifestValue,
    children: readonly string[],
    tags: readonly string[],
  ): void {
    this.transaction(() => {
      const id = this.#ensure(repository);
      const { digest, mediaType, size, subject, referrer, pushedAt } = row;
      this.#statements.putManifest.run(
        id,
        digest,
        mediaType,
        size,
        subject ?? null,
        referrer ?? null,
        pushedAt,
      );
      for (const child of children) this.#statements.putChild.run(id, digest, child);
      for (const tag of tags) {
        this.#statements.renewTagged.run(pushedAt, repository, repository, tag);
        this.#statements.putTag.run(id, tag, digest, pushedAt);
      }
    });
  }

  deleteManifest(repository: string, digest: string, at: number): boolean {
    return this.transaction(() => {
      this.#renewChildren(repository, digest, at);
      return this.#statements.deleteManifest.run(repository, digest).changes > 0;
    });
  }

  #renewChildren(repository: string, digest: string, at: number): void {
    this.#statements.renewChildLinks.run(at, repository, repository, digest);
    this.#statements.renewChildManifests.run(at, repository, repository, digest);
  }

  deleteTag(repository: string, tag: string, at: number): boolean {
    return this.transaction(() => {
      this.#statements.renewTagged.run(at, repository, repository, tag);
      return this.#statements.deleteTag.run(repository, tag).changes > 0;
    });
  }

  tags(repository: string, after: string, limit: number): string[] {
    return this.#statements.tags.all(repository, after, after, after, limit).map(({ tag }) => tag);
  }

  referrers(repository: string, subject: string): string[] {
    return this.#statements.referrers.all(repository, subject).map(({ referrer }) => referrer);
  }

  /** Not waited for on the disk: when the machine crashes, the client begins its upload anew. */
  putUpload({ id, repository, algorithm, touchedAt }: UploadValue): void {
    this.#database.relaxed(() => {
      this.transaction(() =>
        this.#statements.putUpload.run(id, this.#ensure(repository), algorithm, touchedAt),
      );
    });
  }

  upload(id: string): UploadValue | undefined {
    return this.#statements.upload.get(id) ?? undefined;
  }

  touchUpload(id: string, at: number): void {
    this.#database.relaxed(() => void this.#statements.touchUpload.run(at, id));
  }

  deleteUpload(id: string): void {
    this.#database.relaxed(() => void this.#statements.deleteUpload.run(id));
  }

  uploads(): UploadValue[] {
    return this.#statements.uploads.all();
  }

  unreferencedLinks(cutoff: number): Place[] {
    return this.#statements.unreferenced.all(cutoff, cutoff);
  }

  unlinkUnreferenced(repository: string, digest: string, cutoff: number): boolean {
    return this.#statements.unlinkUnreferenced.run(repository, digest, cutoff, cutoff).changes > 0;
  }

  untaggedManifests(cutoff: number): Place[] {
    return this.#statements.untagged.all(cutoff);
  }

  deleteUntagged(repository: string, digest: string, cutoff: number, at: number): boolean {
    return this.transaction(() => {
      if (!this.#statements.isUntagged.get(repository, digest, cutoff)) return false;
      this.#renewChildren(repository, digest, at);
      return this.#statements.deleteManifest.run(repository, digest).changes > 0;
    });
  }

  dropEmptyRepositories(): number {
    return this.#statements.dropEmpty.run().changes;
  }

  counts(): { repositories: number; manifests: number; tags: number; links: number; uploads: number } {
    return this.#statements.counts.get()!;
  }
}

function manifestValue(record: ManifestRecord | null): ManifestValue | undefined {
  if (record === null) return undefined;
  const { digest, media_type, size, subject, referrer, pushed_at } = record;
  return {
    digest,
    mediaType: media_type,
    size,
    subject: subject ?? undefined,
    referrer: referrer ?? undefined,
    pushedAt: pushed_at,
  };
}

function prepare({ sqlite }: Database) {
  return {
    ...prepareBlobs(sqlite),
    ...prepareManifests(sqlite),
    ...prepareUploads(sqlite),
    ...prepareCollection(sqlite),
    repository: sqlite.prepare<{ id: number }, [string]>('SELECT id FROM repositories WHERE name = ?'),
    addRepository: sqlite.prepare<void, [string]>(
      'INSERT INTO repositories (name) VALUES (?) ON CONFLICT DO NOTHING',
    ),
    repositories: sqlite.prepare<{ name: string }, [string, number]>(
      `SELECT name FROM repositories r WHERE name > ? AND EXISTS
         (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) ORDER BY name LIMIT ?`,
    ),
    counts: sqlite.prepare<
      { repositories: number; manifests: number; tags: number; links: number; uploads: number },
      []
    >(
      `SELECT (SELECT count(*) FROM repositories) repositories, (SELECT count(*) FROM manifests) manifests,
         (SELECT count(*) FROM tags) tags, (SELECT count(*) FROM blob_links) links,
         (SELECT count(*) FROM uploads) uploads`,
    ),
  };
}

function prepareBlobs(sqlite: Database['sqlite']) {
  return {
    blobLink: sqlite.prepare<{ size: number; linkedAt: number }, [string, string]>(
      `SELECT size, linked_at linkedAt FROM blob_links WHERE repository_id = ${REPOSITORY} AND digest = ?`,
    ),
    renewLink: sqlite.prepare<void, [number, string, string]>(
      `UPDATE blob_links SET linked_at = ? WHERE repository_id = ${REPOSITORY} AND digest = ? AND ${UNREFERENCED}`,
    ),
    link: sqlite.prepare<void, [number, string, number, number]>(
      `INSERT INTO blob_links (repository_id, digest, size, linked_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET linked_at = max(linked_at, excluded.linked_at)`,
    ),
    unlink: sqlite.prepare<void, [string, string]>(
      `DELETE FROM blob_links WHERE repository_id = ${REPOSITORY} AND digest = ?`,
    ),
    repositoriesWith: sqlite.prepare<{ name: string }, [string]>(
      'SELECT name FROM blob_links JOIN repositories r ON r.id = repository_id WHERE digest = ? ORDER BY name',
    ),
    held: sqlite.prepare<{ one: number }, [string, string]>(
      `SELECT 1 one WHERE EXISTS (SELECT 1 FROM blob_links WHERE digest = ?)
         OR EXISTS (SELECT 1 FROM manifests WHERE digest = ?)`,
    ),
  };
}

function prepareManifests(sqlite: Database['sqlite']) {
  return {
    manifest: sqlite.prepare<ManifestRecord, [string, string]>(
      `SELECT ${MANIFEST} FROM manifests m WHERE repository_id = ${REPOSITORY} AND digest = ?`,
    ),
    tagged: sqlite.prepare<ManifestRecord, [string, string]>(
      `SELECT ${MANIFEST} FROM tags t JOIN manifests m USING (repository_id, digest)
         WHERE t.repository_id = ${REPOSITORY} AND t.tag = ?`,
    ),
    putManifest: sqlite.prepare<void, [number, string, string, number, string | null, string | null, number]>(
      `INSERT INTO manifests (repository_id, digest, media_type, size, subject, referrer, pushed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET media_type = excluded.media_type, referrer = excluded.referrer,
           pushed_at = excluded.pushed_at`,
    ),
    putChild: sqlite.prepare<void, [number, string, string]>(
      'INSERT INTO manifest_children (repository_id, digest, child) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    putTag: sqlite.prepare<void, [number, string, string, number]>(
      `INSERT INTO tags (repository_id, tag, digest, tagged_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET digest = excluded.digest, tagged_at = excluded.tagged_at`,
    ),
    deleteManifest: sqlite.prepare<void, [string, string]>(
      `DELETE FROM manifests WHERE repository_id = ${REPOSITORY} AND digest = ?`,
    ),
    deleteTag: sqlite.prepare<void, [string, string]>(
      `DELETE FROM tags WHERE repository_id = ${REPOSITORY} AND tag = ?`,
    ),
    renewTagged: sqlite.prepare<void, [number, string, string, string]>(
      `UPDATE manifests SET pushed_at = ? WHERE repository_id = ${REPOSITORY} AND digest =
         (SELECT digest FROM tags WHERE repository_id = ${REPOSITORY} AND tag = ?)`,
    ),
    renewManifest: sqlite.prepare<void, [number, string, string]>(
      `UPDATE manifests SET pushed_at = ? WHERE repository_id = ${REPOSITORY} AND digest = ? AND ${UNTAGGED}`,
    ),
    renewChildLinks: sqlite.prepare<void, [number, string, string, string]>(
      `UPDATE blob_links SET linked_at = ? WHERE repository_id = ${REPOSITORY} AND digest IN
         (SELECT child FROM manifest_children WHERE repository_id = ${REPOSITORY} AND digest = ?)`,
    ),
    renewChildManifests: sqlite.prepare<void, [number, string, string, string]>(
      `UPDATE manifests SET pushed_at = ? WHERE repository_id = ${REPOSITORY} AND digest IN
         (SELECT child FROM manifest_children WHERE repository_id = ${REPOSITORY} AND digest = ?)`,
    ),
    tags: sqlite.prepare<{ tag: string }, [string, string, string, string, number]>(
      `SELECT tag FROM tags WHERE repository_id = ${REPOSITORY}
         AND (tag COLLATE NOCASE > ? OR (tag COLLATE NOCASE = ? AND tag > ?))
         ORDER BY tag COLLATE NOCASE, tag LIMIT ?`,
    ),
    referrers: sqlite.prepare<{ referrer: string }, [string, string]>(
      `SELECT referrer FROM manifests WHERE repository_id = ${REPOSITORY} AND subject = ?
         AND referrer IS NOT NULL ORDER BY pushed_at, digest`,
    ),
  };
}

function prepareUploads(sqlite: Database['sqlite']) {
  const upload =
    'SELECT u.id, r.name repository, u.algorithm, u.touched_at touchedAt FROM uploads u JOIN repositories r ON r.id = u.repository_id';
  return {
    putUpload: sqlite.prepare<void, [string, number, string, number]>(
      'INSERT INTO uploads (id, repository_id, algorithm, touched_at) VALUES (?, ?, ?, ?)',
    ),
    upload: sqlite.prepare<UploadValue, [string]>(`${upload} WHERE u.id = ?`),
    uploads: sqlite.prepare<UploadValue, []>(upload),
    touchUpload: sqlite.prepare<void, [number, string]>('UPDATE uploads SET touched_at = ? WHERE id = ?'),
    deleteUpload: sqlite.prepare<void, [string]>('DELETE FROM uploads WHERE id = ?'),
  };
}

/** What the garbage collector asks. */
function prepareCollection(sqlite: Database['sqlite']) {
  const idle = `linked_at < ? AND ${UNREFERENCED} AND NOT EXISTS
    (SELECT 1 FROM uploads u WHERE u.repository_id = blob_links.repository_id AND u.touched_at >= ?)`;
  return {
    unreferenced: sqlite.prepare<Place, [number, number]>(
      `SELECT r.name repository, digest FROM blob_links JOIN repositories r ON r.id = repository_id WHERE ${idle}`,
    ),
    unlinkUnreferenced: sqlite.prepare<void, [string, string, number, number]>(
      `DELETE FROM blob_links WHERE repository_id = ${REPOSITORY} AND digest = ? AND ${idle}`,
    ),
    untagged: sqlite.prepare<Place, [number]>(
      `SELECT r.name repository, manifests.digest FROM manifests
         JOIN repositories r ON r.id = manifests.repository_id WHERE pushed_at < ? AND ${UNTAGGED}`,
    ),
    isUntagged: sqlite.prepare<{ one: number }, [string, string, number]>(
      `SELECT 1 one FROM manifests WHERE repository_id = ${REPOSITORY} AND digest = ? AND pushed_at < ? AND ${UNTAGGED}`,
    ),
    dropEmpty: sqlite.prepare<void, []>(
      `DELETE FROM repositories WHERE NOT EXISTS (SELECT 1 FROM blob_links WHERE repository_id = repositories.id)
         AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = repositories.id)
         AND NOT EXISTS (SELECT 1 FROM uploads WHERE repository_id = repositories.id)`,
    ),
  };
}
