import type { Database } from '../database.ts';

/**
 * Layers and blobs that an operation has stored which can be resumed (a pull): they have no other row before it is
 * done. A lost row costs a download, so no commit here waits for the disk.
 */
export class UnfinishedTable {
  readonly #database: Database;
  readonly #put;
  readonly #delete;
  readonly #expire;
  readonly #all;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#database = database;
    this.#put = sqlite.prepare<void, [string, number]>(
      'INSERT INTO unfinished (digest, stored_at) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET stored_at = excluded.stored_at',
    );
    this.#delete = sqlite.prepare<void, [string]>('DELETE FROM unfinished WHERE digest = ?');
    this.#expire = sqlite.prepare<void, [number]>('DELETE FROM unfinished WHERE stored_at < ?');
    this.#all = sqlite.prepare<{ digest: string }, []>('SELECT digest FROM unfinished');
  }

  /** `storedAt`: milliseconds since the epoch. */
  add(digest: string, storedAt: number): void {
    this.#database.relaxed(() => this.#put.run(digest, storedAt));
  }

  remove(digests: Iterable<string>): void {
    this.#database.relaxed(() => {
      this.#database.transaction(() => {
        for (const digest of digests) this.#delete.run(digest);
      });
    });
  }

  /** Removes what was stored before a moment. */
  expire(before: number): void {
    this.#database.relaxed(() => this.#expire.run(before));
  }

  all(): string[] {
    return this.#all.all().map(({ digest }) => digest);
  }
}
