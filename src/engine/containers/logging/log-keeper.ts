import { stat } from 'node:fs/promises';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { isAlive } from '../lifecycle.ts';
import type { Container } from '../model.ts';
import { logSettings } from './log-settings.ts';

/** What keeping logs small takes. */
export interface LogKeeperParts {
  readonly containers: () => readonly Container[];
  readonly path: (id: string) => string;
  /** Renames PATH to PATH.1, PATH.1 to PATH.2 … keeps `files` in all, and makes the monitor open a new one. */
  readonly rotate: (id: string, path: string, files: number) => Promise<void>;
  /** Compresses the files that were rotated before the last one. */
  readonly compress: (path: string) => Promise<void>;
  readonly log: Logger;
}

/** Milliseconds between two looks at a quiet log. */
const QUIET = 2_000;
/** Milliseconds between two looks at the loudest. */
const LOUD = 10;

/** Watches the sizes of running containers' logs and rotates them: a loud one is looked at more often. */
export class LogKeeper {
  readonly #parts: LogKeeperParts;
  readonly #seen = new Map<string, { size: number; at: number }>();
  readonly #compressing = new Set<string>();
  #timer: Timer | undefined;
  #closed = false;
  #woken = false;

  constructor(parts: LogKeeperParts) {
    this.#parts = parts;
    this.#schedule(QUIET);
  }

  /** A container has started: look soon. */
  wake(): void {
    this.#woken = true;
    this.#schedule(LOUD);
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(async () => {
      this.#woken = false;
      const next = await this.#tick();
      this.#schedule(this.#woken ? LOUD : next);
    }, delay);
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
      const { maxSize, maxFiles, compress } = logSettings(container.hostConfig.logConfig);
      const { size } = await stat(path);
      const now = performance.now();
      const before = this.#seen.get(id);
      this.#seen.set(id, { size, at: now });
      const grown = before && size > before.size ? size - before.size : 0;
      // A loud log is rotated now when it would be further above its limit at the next look than it is below it now.
      if (size >= maxSize || size + grown - maxSize > maxSize - size) {
        this.#seen.set(id, { size: 0, at: now });
        await this.#parts.rotate(id, path, maxFiles);
        if (compress) this.#compress(id, path);
        return LOUD;
      }
      // A container that has just begun may be a loud one.
      if (!before) return LOUD;
      if (grown === 0) return QUIET;
      const rate = grown / (now - before.at);
      return Math.min(QUIET, Math.max(LOUD, (maxSize - size) / rate / 2));
    } catch (error) {
      this.#parts.log.debug('log of a container', { id, error: messageOf(error) });
      return QUIET;
    }
  }

  /** One at a time for each log; a rotation meanwhile is in order. */
  #compress(id: string, path: string): void {
    if (this.#compressing.has(id)) return;
    this.#compressing.add(id);
    this.#parts
      .compress(path)
      .catch((error) => this.#parts.log.warn('compressing a log', { id, error: messageOf(error) }))
      .finally(() => this.#compressing.delete(id));
  }

  /** Stops looking. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
