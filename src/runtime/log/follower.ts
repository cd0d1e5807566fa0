import { basename, dirname } from 'node:path';
import { Inotify, Watch } from '../../kernel/inotify.ts';

/** Wakes a reader when its log has changed, its writer has ended, or nobody wants to read any more. */
export class Follower {
  readonly #inotify = new Inotify();
  #over = false;
  #dirty = false;
  #wake: () => void = () => {};

  constructor(path: string, ended: Promise<unknown>, signal: AbortSignal) {
    const name = basename(path);
    this.#inotify.watch(dirname(path), Watch.MODIFY | Watch.CREATE | Watch.MOVED_TO, (event) => {
      if (event.name !== name && !event.overflow) return;
      this.#dirty = true;
      this.#wake();
    });
    const finish = (): void => {
      this.#over = true;
      this.#wake();
    };
    ended.then(finish, finish);
    if (signal.aborted) finish();
    else signal.addEventListener('abort', finish, { once: true });
  }

  /** The writer has ended: what is in the file now is all. */
  get over(): boolean {
    return this.#over;
  }

  /** Resolves at the next change; false when there will be none. */
  async changed(): Promise<boolean> {
    while (!this.#dirty && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#dirty = false;
    return !this.#over;
  }

  close(): void {
    this.#over = true;
    this.#inotify.close();
  }
}
