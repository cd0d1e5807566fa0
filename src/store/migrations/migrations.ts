/**
 * Scripts that bring a database from version n to n + 1. Only ever append: a released script never changes.
 * Documents are JSON; what is searched or must be unique stands in a column of its own.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, document TEXT NOT NULL) STRICT;
  CREATE TABLE images (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
  CREATE TABLE image_names (name TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images(id), kind TEXT NOT NULL, tagged_at INTEGER NOT NULL) STRICT;
  CREATE INDEX image_names_by_image ON image_names(image_id);
  CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) STRICT;
  CREATE TABLE volumes (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
  CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE layer_blobs (digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL, encoder TEXT, level INTEGER) STRICT;
  CREATE INDEX layer_blobs_by_layer ON layer_blobs(diff_id);
  CREATE TABLE blob_repositories (digest TEXT NOT NULL, repository TEXT NOT NULL, seen_at INTEGER NOT NULL, PRIMARY KEY (digest, repository)) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE unfinished (digest TEXT PRIMARY KEY, stored_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE build_steps (key TEXT PRIMARY KEY, image_id TEXT NOT NULL, made_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  DROP TABLE build_steps;
  CREATE TABLE build_cache (key TEXT PRIMARY KEY, layer TEXT NOT NULL, description TEXT NOT NULL, parents TEXT NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL, uses INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
];
