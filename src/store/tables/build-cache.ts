import type { Database } from '../database.ts';

/** A step of a build and the layer that it made. */
export interface BuildCacheRow {
  readonly key: string;
  readonly layer: string | undefined;
  readonly description: string;
  readonly parents: readonly string[];
  readonly createdAt: number;
  readonly usedAt: number;
  readonly uses: number;
}

interface Row {
  key: string;
  layer: string;
  description: string;
  parents: string;
  created_at: number;
  used_at: number;
  uses: number;
}

/**
 * Which layer a step of a build made, by the step's key. A lost row costs a step done again: no commit waits for it.
 * All rows are in memory too, for their layers are asked for at each collection of garbage.
 */
export class BuildCacheTable {
  readonly #database: Database;
  readonly #rows = new Map<string, BuildCacheRow>();
  readonly #used = new Map<string, number>();
  readonly #put;
  readonly #touch;
  readonly #remove;

  constructor(database: Database) {
    const { sqlite } = database;
    this.#database = database;
    this.#put = sqlite.prepare<void, [string, string, string, string, number, number, number]>(
      'INSERT OR REPLACE INTO build_cache (key, layer, description, parents, created_at, used_at, uses) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#touch = sqlite.prepare<void, [number, number, string]>(
      'UPDATE build_cache SET used_at = ?, uses = ? WHERE key = ?',
    );
    this.#remove = sqlite.prepare<void, [string]>('DELETE FROM build_cache WHERE key = ?');
    for (const row of sqlite.query<Row, []>('SELECT * FROM build_cache').all()) {
      this.#rows.set(row.key, {
        key: row.key,
        layer: row.layer || undefined,
        description: row.description,
        parents: JSON.parse(row.parents) as string[],
        createdAt: row.created_at,
        usedAt: row.used_at,
        uses: row.uses,
      });
    }
  }

  find(key: string): BuildCacheRow | undefined {
    const row = this.#rows.get(key);
    if (!row) return undefined;
    const used = { ...row, usedAt: Date.now(), uses: row.uses + 1 };
    this.#rows.set(key, used);
    // One write a minute is enough for choosing what goes first.
    if (used.usedAt - row.usedAt > 60_000) {
      this.#database.relaxed(() => this.#touch.run(used.usedAt, used.uses, key));
    }
    return used;
  }

  put(step: Omit<BuildCacheRow, 'usedAt' | 'uses'>): void {
    const { key, layer, description, parents, createdAt } = step;
    this.#rows.set(key, { ...step, usedAt: 0, uses: 0 });
    this.#database.relaxed(() =>
      this.#put.run(key, layer ?? '', description, JSON.stringify(parents), createdAt, 0, 0),
    );
  }

  all(): BuildCacheRow[] {
    return [...this.#rows.values()];
  }

  remove(keys: readonly string[]): void {
    this.#database.relaxed(() => {
      for (const key of keys) this.#remove.run(key);
    });
    for (const key of keys) this.#rows.delete(key);
  }

  /** Diff ids of all layers. */
  layers(): Set<string> {
    return new Set([...this.#rows.values()].flatMap(({ layer }) => (layer === undefined ? [] : [layer])));
  }

  use(key: string): () => void {
    this.#used.set(key, (this.#used.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#used.get(key) ?? 1) - 1;
      if (left > 0) this.#used.set(key, left);
      else this.#used.delete(key);
    };
  }

  inUse(key: string): boolean {
    return this.#used.has(key);
  }
}
