import { readdirSync, renameSync } from 'node:fs';
import type { Logger } from '../../base/log.ts';
import { codeOf } from '../../kernel/errno.ts';
import { randomName } from './layer-entry.ts';
import { removeTree } from './remove-tree.ts';

/**
 * Deletes trees without making anyone wait: a rename takes them out of sight at once, the deletion goes on in
 * the background. What a crash leaves in the trash is deleted by the next start's sweep.
 */
export class Trash {
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #running = new Set<Promise<void>>();
  readonly #deleting = new Set<string>();

  constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
  }

  /** A path for something that is being made: if it is never moved away, the next start deletes it. */
  draft(): string {
    return `${this.#directory}/${randomName(16)}`;
  }

  /** Throws away `path`; not there is fine. Returns whether it was there. */
  discard(path: string): boolean {
    const target = this.draft();
    try {
      renameSync(path, target);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    this.delete(target);
    return true;
  }

  /** Starts to delete what an earlier process left. */
  empty(): void {
    for (const name of readdirSync(this.#directory)) {
      const path = `${this.#directory}/${name}`;
      if (!this.#deleting.has(path)) this.delete(path);
    }
  }

  /** Starts to delete something that is in the trash already. */
  delete(path: string): void {
    this.#deleting.add(path);
    const run = removeTree(path)
      .catch((error: unknown) => {
        this.#logger.warn('cannot delete; the next start tries again', { path, error });
      })
      .finally(() => {
        this.#running.delete(run);
        this.#deleting.delete(path);
      });
    this.#running.add(run);
  }

  /** Resolves when nothing is being deleted. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
