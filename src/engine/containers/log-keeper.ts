import { stat } from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { isAlive } from './lifecycle.ts';
import { logSettings } from './log-settings.ts';
import type { Container } from './model.ts';

/** What keeping logs small takes. */
export interface LogKeeperParts {
  readonly containers: () => readonly Container[];
  readonly path: (id: string) => string;
  /** Renames PATH to PATH.1, PATH.1 to PATH.2 … keeps `files` in all, and makes the monitor open a new one. */
  readonly rotate: (id: string, path: string, files: number) => Promise<void>;
  readonly log: Logger;
}

/** Milliseconds between two looks at a quiet log. */
const QUIET = 2_000;
/** Milliseconds between two looks at the loudest. */
const LOUD = 50;

/** Watches the sizes of running containers' logs and rotates them: a loud one is looked at more often. */
export class LogKeeper {
  readonly #parts: LogKeeperParts;
  readonly #seen = new Map<string, { size: number; at: number }>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: LogKeeperParts) {
    this.#parts = parts;
    this.#schedule(QUIET);
  }

  #schedule(delay: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(async () => this.#schedule(await this.#tick()), delay);
  }

  /** Looks at all logs once; returns when to look again. */
  async #tick(): Promise<number> {
    let next = QUIET;
    const alive = new Set<string>();
    for (const container of this.#parts.containers()) {
      if (!isAlive(container.state) || container.hostConfig.logConfig.type === 'none') continue;
      alive.add(container.id);
      next = Math.min(next, await this.#look(container));
    }
    for (const id of this.#seen.keys()) if (!alive.has(id)) this.#seen.delete(id);
    return next;
  }

  async #look(container: Container): Promise<number> {
    const { id } = container;
    const path = this.#parts.path(id);
    try {
      const { maxSize, maxFiles } = logSettings(container.hostConfig.logConfig);
      const { size } = await stat(path);
      const now = performance.now();
      const before = this.#seen.get(id);
      this.#seen.set(id, { size, at: now });
      if (size >= maxSize) {
        this.#seen.set(id, { size: 0, at: now });
        await this.#parts.rotate(id, path, maxFiles);
        return LOUD;
      }
      if (!before || size <= before.size) return QUIET;
      const rate = (size - before.size) / (now - before.at);
      return Math.min(QUIET, Math.max(LOUD, (maxSize - size) / rate / 2));
    } catch (error) {
      this.#parts.log.debug('log of a container', { id, error: messageOf(error) });
      return QUIET;
    }
  }

  /** Stops looking. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
