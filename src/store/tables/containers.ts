import { isKind, TareError } from '../../base/errors.ts';
import type { Database } from '../database.ts';

/** A container's row; `document` is JSON that only the engine understands. */
export interface ContainerRow {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly document: string;
}

/** The rows of containers. Each call is one durable commit, but for those that say otherwise. */
export class ContainerTable {
  readonly #database: Database;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #all;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#database = database;
    this.#insert = sqlite.prepare<void, [string, string, number, string]>(
      'INSERT INTO containers (id, name, created_at, document) VALUES (?, ?, ?, ?)',
    );
    this.#update = sqlite.prepare<void, [string, string, string]>(
      'UPDATE containers SET name = ?, document = ? WHERE id = ?',
    );
    this.#delete = sqlite.prepare<void, [string]>('DELETE FROM containers WHERE id = ?');
    this.#all = sqlite.prepare<{ id: string; name: string; created_at: number; document: string }, []>(
      'SELECT id, name, created_at, document FROM containers ORDER BY created_at',
    );
  }

  insert(row: ContainerRow): void {
    run(() => this.#insert.run(row.id, row.name, row.createdAt, row.document));
  }

  update(row: ContainerRow): void {
    run(() => this.#update.run(row.name, row.document, row.id));
  }

  /** An update about a running process: safe from a crash of the daemon; one of the machine ends both. */
  updateRunning(row: ContainerRow): void {
    run(() => this.#database.relaxed(() => this.#update.run(row.name, row.document, row.id)));
  }

  /** A row that comes back after a crash of the machine has lost its snapshot, and is dropped at start. */
  delete(id: string): void {
    run(() => this.#database.relaxed(() => this.#delete.run(id)));
  }

  all(): ContainerRow[] {
    return this.#all
      .all()
      .map((row) => ({ id: row.id, name: row.name, createdAt: row.created_at, document: row.document }));
  }
}

/** SQLite's errors in our vocabulary: a full disk must read as one. */
function run(body: () => unknown): void {
  try {
    body();
  } catch (error) {
    if (isKind(error)) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code.startsWith('SQLITE_FULL')) {
      throw new TareError(
        'exhausted',
        'no space left on device for the metadata: free some and try again',
        error,
      );
    }
    if (code.startsWith('SQLITE_IOERR') || code.startsWith('SQLITE_READONLY')) {
      throw new TareError(
        'internal',
        "the metadata cannot be written: the data root's file system is read-only or its disk fails; see the kernel's log (dmesg)",
        error,
      );
    }
    if (code.startsWith('SQLITE_CONSTRAINT'))
      throw new TareError('conflict', 'the row exists already', error);
    throw new TareError(
      'internal',
      `metadata: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
}
