import type { Database } from '../database.ts';

/** A network's row; `document` is JSON that only the engine understands. */
export interface NetworkRow {
  readonly id: string;
  readonly name: string;
  readonly document: string;
}

/** The rows of networks. Each call is one durable commit. */
export class NetworkTable {
  readonly #put;
  readonly #delete;
  readonly #all;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#put = sqlite.prepare<void, [string, string, string]>(
      'INSERT INTO networks (id, name, document) VALUES (?, ?, ?)' +
        ' ON CONFLICT (id) DO UPDATE SET name = excluded.name, document = excluded.document',
    );
    this.#delete = sqlite.prepare<void, [string]>('DELETE FROM networks WHERE id = ?');
    this.#all = sqlite.prepare<NetworkRow, []>('SELECT id, name, document FROM networks ORDER BY rowid');
  }

  /** Inserts a row or replaces the one of that id. */
  put(row: NetworkRow): void {
    this.#put.run(row.id, row.name, row.document);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  all(): NetworkRow[] {
    return this.#all.all();
  }
}
