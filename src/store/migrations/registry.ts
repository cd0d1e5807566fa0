/**
 * The registry server's database, apart from the engine's: a registry may stand alone. Only ever append.
 * `blob_links` says which repository may see which blob; a file of the content store is held by a link or by a
 * manifest's row, and by nothing else.
 */
export const REGISTRY_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE repositories (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE blob_links (
    repository_id INTEGER NOT NULL REFERENCES repositories(id), digest TEXT NOT NULL, size INTEGER NOT NULL,
    linked_at INTEGER NOT NULL, PRIMARY KEY (repository_id, digest)) STRICT, WITHOUT ROWID;
  CREATE INDEX blob_links_by_digest ON blob_links(digest);
  CREATE TABLE manifests (
    repository_id INTEGER NOT NULL REFERENCES repositories(id), digest TEXT NOT NULL, media_type TEXT NOT NULL,
    size INTEGER NOT NULL, subject TEXT, referrer TEXT, pushed_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)) STRICT, WITHOUT ROWID;
  CREATE INDEX manifests_by_digest ON manifests(digest);
  CREATE INDEX manifests_by_subject ON manifests(repository_id, subject) WHERE subject IS NOT NULL;
  CREATE TABLE manifest_children (
    repository_id INTEGER NOT NULL, digest TEXT NOT NULL, child TEXT NOT NULL,
    PRIMARY KEY (repository_id, digest, child),
    FOREIGN KEY (repository_id, digest) REFERENCES manifests(repository_id, digest) ON DELETE CASCADE) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_children_by_child ON manifest_children(repository_id, child);
  CREATE TABLE tags (
    repository_id INTEGER NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, tagged_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, tag),
    FOREIGN KEY (repository_id, digest) REFERENCES manifests(repository_id, digest) ON DELETE CASCADE) STRICT, WITHOUT ROWID;
  CREATE INDEX tags_by_digest ON tags(repository_id, digest);
  CREATE INDEX tags_in_order ON tags(repository_id, tag COLLATE NOCASE, tag);
  CREATE TABLE uploads (
    id TEXT PRIMARY KEY, repository_id INTEGER NOT NULL REFERENCES repositories(id), algorithm TEXT NOT NULL,
    touched_at INTEGER NOT NULL) STRICT;
  `,
];
