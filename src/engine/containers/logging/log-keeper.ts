import { stat } from 'node:fs/promises';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { isAlive } from '../lifecycle.ts';
import type { Container } from '../model.ts';
import { logSettings } from './log-settings.ts';

/** What keeping logs small takes. */
export interface LogKeeperParts {
  /** Undefined when it is gone. */
  readonly container: (id: string) => Container | undefined;
  readonly path: (id: string) => string;
  /** Calls back once, at the next write to a file; returns what ends the waiting. Throws what the kernel says. */
  readonly onWrite: (path: string, listener: () => void) => () => void;
  /** Renames PATH to PATH.1, PATH.1 to PATH.2 … keeps `files` in all, and makes the monitor open a new one. */
  readonly rotate: (id: string, path: string, files: number) => Promise<void>;
  /** Compresses the files that were rotated before the last one. */
  readonly compress: (path: string) => Promise<void>;
  readonly log: Logger;
}

/** Longest and shortest time between two looks at a log that grows, milliseconds. */
const LONGEST = 2_000;
const SHORTEST = 10;
/** The fastest that a container writes, bytes a millisecond (measured: half a gigabyte a second). */
const FASTEST = 500_000;

interface Watched {
  size: number;
  timer: Timer | undefined;
  /** Ends the waiting for the next write. */
  unwatch: (() => void) | undefined;
}

/**
 * Rotates the logs of running containers. One that grows is looked at before it can be full at the fastest; one that
 * does not is waited for, which costs nothing.
 */
export class LogKeeper {
  readonly #parts: LogKeeperParts;
  readonly #watched = new Map<string, Watched>();
  readonly #compressing = new Set<string>();

  constructor(parts: LogKeeperParts) {
    this.#parts = parts;
  }

  /** A container runs: keep its log. */
  keep(id: string): void {
    this.drop(id);
    const container = this.#parts.container(id);
    if (!container || container.hostConfig.logConfig.type === 'none') return;
    this.#watched.set(id, { size: -1, timer: undefined, unwatch: undefined });
    this.#lookIn(id, SHORTEST);
  }

  /** It runs no more. */
  drop(id: string): void {
    const watched = this.#watched.get(id);
    clearTimeout(watched?.timer);
    watched?.unwatch?.();
    this.#watched.delete(id);
  }

  #lookIn(id: string, delay: number): void {
    const watched = this.#watched.get(id);
    if (!watched) return;
    clearTimeout(watched.timer);
    watched.timer = setTimeout(() => this.#look(id, watched), delay);
  }

  async #look(id: string, watched: Watched): Promise<void> {
    const container = this.#parts.container(id);
    if (!container || !isAlive(container.state)) return this.drop(id);
    const path = this.#parts.path(id);
    try {
      const { maxSize, maxFiles, compress } = logSettings(container.hostConfig.logConfig);
      const { size } = await stat(path);
      if (this.#watched.get(id) !== watched) return;
      const grown = size !== watched.size;
      watched.size = size;
      if (size >= maxSize) {
        await this.#parts.rotate(id, path, maxFiles);
        if (compress) this.#compress(id, path);
        this.#lookIn(id, SHORTEST);
      } else if (grown) {
        this.#lookIn(id, Math.min(LONGEST, Math.max(SHORTEST, (maxSize - size) / FASTEST)));
      } else {
        this.#await(id, path, watched);
      }
    } catch (error) {
      this.#parts.log.debug('log of a container', { id, error: messageOf(error) });
      this.#lookIn(id, LONGEST);
    }
  }

  #await(id: string, path: string, watched: Watched): void {
    watched.unwatch?.();
    watched.unwatch = this.#parts.onWrite(path, () => this.#lookIn(id, SHORTEST));
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
    for (const id of [...this.#watched.keys()]) this.drop(id);
  }
}
