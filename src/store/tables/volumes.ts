import type { Database } from '../database.ts';

/** A volume's row; `document` is JSON that only the engine understands. */
export interface VolumeRow {
  readonly name: string;
  readonly document: string;
}

/** The rows of volumes. Each call is one durable commit. */
export class VolumeTable {
  readonly #insert;
  readonly #update;
  readonly #rename;
  readonly #delete;
  readonly #all;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#insert = sqlite.prepare<void, [string, string]>(
      'INSERT INTO volumes (name, document) VALUES (?, ?)',
    );
    this.#update = sqlite.prepare<void, [string, string]>('UPDATE volumes SET document = ? WHERE name = ?');
    this.#rename = sqlite.prepare<void, [string, string, string]>(
      'UPDATE volumes SET name = ?, document = ? WHERE name = ?',
    );
    this.#delete = sqlite.prepare<void, [string]>('DELETE FROM volumes WHERE name = ?');
    this.#all = sqlite.prepare<VolumeRow, []>('SELECT name, document FROM volumes ORDER BY name');
  }

  insert(row: VolumeRow): void {
    this.#insert.run(row.name, row.document);
  }

  update(row: VolumeRow): void {
    this.#update.run(row.document, row.name);
  }

  /** `row` takes the place of the one that is named `before`. */
  rename(before: string, row: VolumeRow): void {
    this.#rename.run(row.name, row.document, before);
  }

  delete(name: string): void {
    this.#delete.run(name);
  }

  all(): VolumeRow[] {
    return this.#all.all();
  }
}
