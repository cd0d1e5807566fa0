import { readFileSync, statSync } from 'node:fs';
import { messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

/**
 * A parsed file that is read again when it changes. While it is missing or wrong, the last good content counts and
 * the log says so once.
 */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #log: Logger;
  #stamp: string;
  #value: T;

  /** Reads the file. Throws `invalid` when that fails. */
  constructor(path: string, parse: (text: string) => T, log: Logger) {
    this.#path = path;
    this.#parse = parse;
    this.#log = log;
    try {
      this.#stamp = stampOf(path);
      this.#value = parse(readFileSync(path, 'utf8'));
    } catch (error) {
      throw new TareError('invalid', `cannot read ${path}: ${messageOf(error)}`, error);
    }
  }

  get value(): T {
    try {
      const stamp = stampOf(this.#path);
      if (stamp === this.#stamp) return this.#value;
      this.#stamp = stamp;
      this.#value = this.#parse(readFileSync(this.#path, 'utf8'));
      this.#log.info('file read again', { path: this.#path });
    } catch (error) {
      if (this.#stamp !== '') {
        this.#log.error('file not read again, the earlier content counts', { path: this.#path, error });
      }
      this.#stamp = '';
    }
    return this.#value;
  }
}

function stampOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path);
  return `${mtimeMs} ${size} ${ino}`;
}
