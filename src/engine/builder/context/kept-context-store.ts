import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { ContextSync, KeptContextRecord, KeptContexts } from './kept-contexts.ts';
import { INDEX, type KeptHeader, TREE } from './kept-messages.ts';
import { KeptSync } from './kept-sync.ts';

/** Bytes of all kept directories together above which unused ones go, oldest first. */
const LIMIT = 10 * 1024 ** 3;

interface Kept {
  readonly id: string;
  readonly key: string;
  size: number;
  usedAt: number;
  inUse: boolean;
}

export interface KeptContextStoreParts {
  /** A folder of its own. */
  readonly root: string;
  readonly log: Logger;
  /** Bytes; LIMIT unless a test says otherwise. */
  readonly limit?: number;
}

/** Kept contexts in a folder: for each `<hash of the key>-<number>/` the files in `tree` and an `index` of them. */
export class KeptContextStore implements KeptContexts {
  readonly #parts: KeptContextStoreParts;
  readonly #kept = new Map<string, Kept>();
  readonly #boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  #closed = false;

  constructor(parts: KeptContextStoreParts) {
    this.#parts = parts;
  }

  async sweep(): Promise<void> {
    const { root } = this.#parts;
    await mkdir(root, { recursive: true, mode: 0o700 });
    for (const id of await readdir(root)) {
      const header = await readHeader(join(root, id, INDEX));
      if (header?.boot === this.#boot) {
        this.#kept.set(id, { id, key: header.key, size: header.size, usedAt: header.usedAt, inUse: false });
      } else await this.#discard(id);
    }
  }

  async begin(key: string): Promise<ContextSync> {
    const kept = this.#take(key);
    const directory = join(this.#parts.root, kept.id);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      return await KeptSync.begin({
        directory,
        tree: join(directory, TREE),
        key,
        boot: this.#boot,
        released: (size) => {
          kept.size = size;
          kept.usedAt = Date.now();
          kept.inUse = false;
          if (!this.#closed) void this.#shrink();
        },
      });
    } catch (error) {
      kept.inUse = false;
      throw error;
    }
  }

  /** The first directory of the key that nobody uses. */
  #take(key: string): Kept {
    const prefix = createHash('sha256').update(key).digest('hex').slice(0, 32);
    for (let number = 0; ; number++) {
      const id = `${prefix}-${number}`;
      const known = this.#kept.get(id);
      if (known?.inUse) continue;
      const kept = known ?? { id, key, size: 0, usedAt: Date.now(), inUse: true };
      kept.inUse = true;
      this.#kept.set(id, kept);
      return kept;
    }
  }

  list(): KeptContextRecord[] {
    return [...this.#kept.values()].map((kept) => ({ ...kept }));
  }

  async remove(id: string): Promise<number> {
    const kept = this.#kept.get(id);
    if (kept === undefined || kept.inUse) return 0;
    this.#kept.delete(id);
    await this.#discard(id);
    return kept.size;
  }

  /** Moved away first: a directory that is half removed must not be taken for a whole one. */
  async #discard(id: string): Promise<void> {
    const { root, log } = this.#parts;
    const away = join(root, `.gone-${id}-${crypto.randomUUID().slice(0, 8)}`);
    try {
      await rename(join(root, id), away);
      await rm(away, { recursive: true, force: true });
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return;
      log.warn('removing a kept build context', { error: messageOf(error) });
    }
  }

  async #shrink(): Promise<void> {
    const { limit = LIMIT } = this.#parts;
    const idle = this.list()
      .filter(({ inUse }) => !inUse)
      .sort((a, b) => a.usedAt - b.usedAt);
    let total = this.list().reduce((sum, { size }) => sum + size, 0);
    for (const { id } of idle) {
      if (total <= limit) return;
      total -= await this.remove(id);
    }
  }

  close(): void {
    this.#closed = true;
  }
}

async function readHeader(path: string): Promise<KeptHeader | undefined> {
  const input = createReadStream(path);
  try {
    for await (const line of createInterface({ input })) {
      // An index that stayed as it was has the time of its last use outside.
      const { mtimeMs } = await stat(path);
      return { ...(JSON.parse(line) as KeptHeader), usedAt: Math.floor(mtimeMs) };
    }
  } catch {
    // None, or not one of ours.
  } finally {
    input.destroy();
  }
  return undefined;
}
