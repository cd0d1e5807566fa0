import type { Database } from '../database.ts';

/** Single values that belong to the data root. */
export class SettingTable {
  readonly #get;
  readonly #insert;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#get = sqlite.prepare<{ value: string }, [string]>('SELECT value FROM settings WHERE key = ?');
    this.#insert = sqlite.prepare<void, [string, string]>(
      'INSERT OR IGNORE INTO settings (key, value) VALUES (?, ?)',
    );
  }

  /** The value of `key`; the first time, what `make` returns, which is kept. */
  getOrSet(key: string, make: () => string): string {
    const known = this.#get.get(key);
    if (known) return known.value;
    this.#insert.run(key, make());
    return this.#get.get(key)?.value ?? '';
  }
}
