import { type Inotify, Watch } from '../../kernel/inotify.ts';
import type { Tracked } from './tracked.ts';

/**
 * Learns at once that the kernel found no memory for a container: conmon waits for that anyway (an eventfd on
 * memory.oom_control, inotify on memory.events) and opens the file `oom` in its directory each time. So one
 * inotify watch per container suffices, without a descriptor or a thread.
 */
export class OomWatch {
  readonly #inotify: Pick<Inotify, 'watch'>;
  readonly #report: (id: string) => void;
  readonly #ends = new Map<string, () => void>();

  constructor(inotify: Pick<Inotify, 'watch'>, report: (id: string) => void) {
    this.#inotify = inotify;
    this.#report = report;
  }

  /** Until `forget`. */
  watch({ record, directory }: Tracked): void {
    const { id } = record;
    this.forget(id);
    try {
      const end = this.#inotify.watch(directory, Watch.OPEN, ({ name }) => {
        if (name === 'oom') this.#report(id);
      });
      this.#ends.set(id, end);
    } catch {
      // Gone, or no watches left: it is then told when the container ends.
    }
  }

  forget(id: string): void {
    this.#ends.get(id)?.();
    this.#ends.delete(id);
  }
}
