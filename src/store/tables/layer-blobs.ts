import type { Database } from '../database.ts';

/** A compressed form of a layer. */
export interface LayerBlobRow {
  /** Of the compressed bytes. */
  readonly digest: string;
  readonly diffId: string;
  /** Compressed bytes. */
  readonly size: number;
  readonly mediaType: string;
  /** What makes the bytes again from the layer's tar; null when only the content store has them. */
  readonly encoder: string | null;
  readonly level: number | null;
}

/** A repository that has had a blob, `docker.io/library/nginx`. */
export interface BlobRepositoryRow {
  readonly digest: string;
  readonly repository: string;
  /** Milliseconds since the epoch. */
  readonly seenAt: number;
}

/**
 * The rows of layers' compressed forms and of where blobs have been seen. They are facts that save work: a lost
 * one costs a compression or an upload, so that no commit here waits for the disk.
 */
export class LayerBlobTable {
  readonly #database: Database;
  readonly #put;
  readonly #delete;
  readonly #rows;
  readonly #see;
  readonly #unsee;
  readonly #seen;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#database = database;
    this.#put = sqlite.prepare<void, [string, string, number, string, string | null, number | null]>(
      'INSERT INTO layer_blobs (digest, diff_id, size, media_type, encoder, level) VALUES (?, ?, ?, ?, ?, ?)' +
        ' ON CONFLICT (digest) DO UPDATE SET diff_id = excluded.diff_id, size = excluded.size,' +
        ' media_type = excluded.media_type, encoder = excluded.encoder, level = excluded.level',
    );
    this.#delete = sqlite.prepare<void, [string]>('DELETE FROM layer_blobs WHERE digest = ?');
    this.#rows = sqlite.prepare<
      {
        digest: string;
        diff_id: string;
        size: number;
        media_type: string;
        encoder: string | null;
        level: number | null;
      },
      []
    >('SELECT digest, diff_id, size, media_type, encoder, level FROM layer_blobs ORDER BY rowid');
    this.#see = sqlite.prepare<void, [string, string, number]>(
      'INSERT INTO blob_repositories (digest, repository, seen_at) VALUES (?, ?, ?)' +
        ' ON CONFLICT (digest, repository) DO UPDATE SET seen_at = excluded.seen_at',
    );
    this.#unsee = sqlite.prepare<void, [string]>('DELETE FROM blob_repositories WHERE digest = ?');
    this.#seen = sqlite.prepare<{ digest: string; repository: string; seen_at: number }, []>(
      'SELECT digest, repository, seen_at FROM blob_repositories ORDER BY seen_at',
    );
  }

  /** All or nothing. Removing a form removes what is known of its repositories, too. */
  apply(change: {
    readonly forms?: readonly LayerBlobRow[];
    readonly removed?: readonly string[];
    readonly seen?: readonly BlobRepositoryRow[];
  }): void {
    this.#database.relaxed(() => {
      this.#database.transaction(() => {
        for (const digest of change.removed ?? []) {
          this.#delete.run(digest);
          this.#unsee.run(digest);
        }
        for (const row of change.forms ?? []) {
          this.#put.run(row.digest, row.diffId, row.size, row.mediaType, row.encoder, row.level);
        }
        for (const { digest, repository, seenAt } of change.seen ?? []) {
          this.#see.run(digest, repository, seenAt);
        }
      });
    });
  }

  forms(): LayerBlobRow[] {
    return this.#rows.all().map(({ diff_id, media_type, ...row }) => ({
      ...row,
      diffId: diff_id,
      mediaType: media_type,
    }));
  }

  repositories(): BlobRepositoryRow[] {
    return this.#seen.all().map(({ seen_at, ...row }) => ({ ...row, seenAt: seen_at }));
  }
}
