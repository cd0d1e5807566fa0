import type { Database } from '../database.ts';

/** An image's row; `document` is JSON that only the engine understands. */
export interface ImageRow {
  readonly id: string;
  readonly document: string;
}

/** A name of an image: a tag (`docker.io/library/x:latest`) or a digest reference (`…@sha256:…`). */
export interface ImageNameRow {
  readonly name: string;
  readonly imageId: string;
  readonly kind: 'tag' | 'digest';
  /** Milliseconds since the epoch. */
  readonly taggedAt: number;
}

/** The rows of images and their names. */
export class ImageTable {
  readonly #database: Database;
  readonly #putImage;
  readonly #deleteImage;
  readonly #putName;
  readonly #deleteName;
  readonly #images;
  readonly #names;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#database = database;
    this.#putImage = sqlite.prepare<void, [string, string]>(
      'INSERT INTO images (id, document) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document',
    );
    this.#deleteImage = sqlite.prepare<void, [string]>('DELETE FROM images WHERE id = ?');
    this.#putName = sqlite.prepare<void, [string, string, string, number]>(
      'INSERT INTO image_names (name, image_id, kind, tagged_at) VALUES (?, ?, ?, ?)' +
        ' ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id, tagged_at = excluded.tagged_at',
    );
    this.#deleteName = sqlite.prepare<void, [string]>('DELETE FROM image_names WHERE name = ?');
    this.#images = sqlite.prepare<ImageRow, []>('SELECT id, document FROM images ORDER BY rowid');
    this.#names = sqlite.prepare<
      { name: string; image_id: string; kind: 'tag' | 'digest'; tagged_at: number },
      []
    >('SELECT name, image_id, kind, tagged_at FROM image_names ORDER BY name');
  }

  /** Several changes as one durable commit: all or nothing. */
  apply(change: {
    readonly images?: readonly ImageRow[];
    readonly names?: readonly ImageNameRow[];
    readonly removedNames?: readonly string[];
    readonly removedImages?: readonly string[];
  }): void {
    this.#database.transaction(() => {
      for (const name of change.removedNames ?? []) this.#deleteName.run(name);
      for (const row of change.images ?? []) this.#putImage.run(row.id, row.document);
      for (const row of change.names ?? []) {
        this.#putName.run(row.name, row.imageId, row.kind, row.taggedAt);
      }
      for (const id of change.removedImages ?? []) this.#deleteImage.run(id);
    });
  }

  images(): ImageRow[] {
    return this.#images.all();
  }

  names(): ImageNameRow[] {
    return this.#names
      .all()
      .map((row) => ({ name: row.name, imageId: row.image_id, kind: row.kind, taggedAt: row.tagged_at }));
  }
}
