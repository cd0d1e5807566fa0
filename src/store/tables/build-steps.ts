import type { Database } from '../database.ts';

/** Which image a step of a build made, by the step's key. A lost row costs a step done again: no commit waits for it. */
export class BuildStepTable {
  readonly #database: Database;
  readonly #find;
  readonly #put;
  readonly #clear;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#database = database;
    this.#find = sqlite.prepare<{ image_id: string }, [string]>(
      'SELECT image_id FROM build_steps WHERE key = ?',
    );
    this.#put = sqlite.prepare<void, [string, string, number]>(
      'INSERT INTO build_steps (key, image_id, made_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET image_id = excluded.image_id, made_at = excluded.made_at',
    );
    this.#clear = sqlite.prepare<void, []>('DELETE FROM build_steps');
  }

  find(key: string): string | undefined {
    return this.#find.get(key)?.image_id;
  }

  put(key: string, imageId: string): void {
    this.#database.relaxed(() => this.#put.run(key, imageId, Date.now()));
  }

  /** Returns how many there were. */
  clear(): number {
    return this.#clear.run().changes;
  }
}
