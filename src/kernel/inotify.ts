import { check, cstr, libc } from './ffi.ts';
import { readNow } from './pipe.ts';
import { Ready, type Registration, watchDescriptor } from './reactor.ts';

/** Event bits, inotify(7). */
export const Watch = {
  MODIFY: 0x2,
  CLOSE_WRITE: 0x8,
  OPEN: 0x20,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
} as const;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;

/** `name` is the entry within a watched directory, empty for the watched thing itself. */
export interface WatchEvent {
  readonly mask: number;
  readonly name: string;
  /** Events were lost: look at everything again. */
  readonly overflow: boolean;
}

/** One inotify instance, shared by all watches of its owner. Events arrive on the main thread within a millisecond. */
export class Inotify {
  readonly #fd: number;
  readonly #registration: Registration;
  readonly #listeners = new Map<number, Set<(event: WatchEvent) => void>>();
  #closed = false;

  constructor() {
    const IN_NONBLOCK_CLOEXEC = 0o2004000;
    this.#fd = check(libc.inotify_init1(IN_NONBLOCK_CLOEXEC), 'inotify_init1');
    this.#registration = watchDescriptor(this.#fd, Ready.IN, () => this.#read());
  }

  /**
   * Watches a file or directory; returns the function that ends it. The same path may be watched several times
   * with the same `mask`. Throws a SyscallError (ENOENT; ENOSPC when the user's watches are used up).
   */
  watch(path: string, mask: number, listener: (event: WatchEvent) => void): () => void {
    const IN_MASK_ADD = 0x20000000;
    const id = check(
      libc.inotify_add_watch(this.#fd, cstr(path), (mask | IN_MASK_ADD) >>> 0),
      'inotify',
      path,
    );
    const set = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, set);
    set.add(listener);
    return () => {
      if (!set.delete(listener) || set.size > 0 || this.#closed) return;
      if (this.#listeners.get(id) !== set) return;
      this.#listeners.delete(id);
      libc.inotify_rm_watch(this.#fd, id);
    };
  }

  /** Calls back once, at the next event of `mask`; returns the function that ends the waiting. Throws as `watch`. */
  once(path: string, mask: number, listener: () => void): () => void {
    let waiting = true;
    const IN_ONESHOT = 0x80000000;
    const unwatch = this.watch(path, (mask | IN_ONESHOT) >>> 0, () => {
      if (waiting) listener();
      waiting = false;
    });
    return () => {
      waiting = false;
      unwatch();
    };
  }

  #read(): boolean {
    for (;;) {
      const bytes = readNow(this.#fd);
      if (typeof bytes === 'string') return false;
      for (let at = 0; at + 16 <= bytes.length; ) {
        const id = bytes.readInt32LE(at);
        const mask = bytes.readUInt32LE(at + 4);
        const length = bytes.readUInt32LE(at + 12);
        const field = bytes.subarray(at + 16, at + 16 + length);
        const end = field.indexOf(0);
        const name = field.toString('utf8', 0, end < 0 ? field.length : end);
        at += 16 + length;
        this.#dispatch(id, mask, name);
        if (this.#closed) return false;
      }
    }
  }

  #dispatch(id: number, mask: number, name: string): void {
    if (mask & IN_Q_OVERFLOW) {
      for (const set of this.#listeners.values()) {
        for (const listener of [...set]) listener({ mask, name: '', overflow: true });
      }
      return;
    }
    for (const listener of [...(this.#listeners.get(id) ?? [])]) listener({ mask, name, overflow: false });
    if (mask & IN_IGNORED) this.#listeners.delete(id);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#registration.remove();
    libc.close(this.#fd);
    this.#listeners.clear();
  }
}
