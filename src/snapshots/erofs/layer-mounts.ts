import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import type { Logger } from '../../base/log.ts';
import { codeOf } from '../../kernel/errno.ts';
import { listMounts, mount, unmount } from '../../kernel/mount.ts';

/** How long a layer that nobody holds stays mounted, in milliseconds. */
const IDLE = 60_000;

/**
 * Layers' mounts below one directory, counted. overlayfs clones the mounts it stands on, so taking one away never
 * harms what is mounted on it; it stays for the sake of its page cache, which all that use one mount share.
 */
export class LayerMounts {
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #mounted = new Set<string>();
  readonly #holds = new Map<string, number>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** Takes over what an earlier process left mounted below `directory`. */
  constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
    for (const { target, type } of listMounts()) {
      if (!target.startsWith(`${directory}/`)) continue;
      const name = target.slice(directory.length + 1);
      // A mount over a mount would be a stranger's.
      if (type === 'erofs' && !this.#mounted.has(name)) this.#mounted.add(name);
      else unmount(target);
    }
    for (const name of this.#mounted) this.#idle(name);
  }

  /** Mounts the layer `name` unless it is, from its index and its tar; returns where. Throws a SyscallError. */
  ensure(name: string, index: string, tar: string): string {
    const target = `${this.#directory}/${name}`;
    if (this.#mounted.has(name)) return target;
    mkdirSync(target, { recursive: true, mode: 0o755 });
    mount('erofs', index, target, ['ro', `device=${tar}`]);
    this.#mounted.add(name);
    if (!this.#holds.has(name)) this.#idle(name);
    return target;
  }

  hold(name: string): void {
    this.#holds.set(name, (this.#holds.get(name) ?? 0) + 1);
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  release(name: string): void {
    const left = (this.#holds.get(name) ?? 0) - 1;
    if (left > 0) this.#holds.set(name, left);
    else {
      this.#holds.delete(name);
      this.#idle(name);
    }
  }

  #idle(name: string): void {
    clearTimeout(this.#timers.get(name));
    const timer = setTimeout(() => this.drop(name), IDLE);
    timer.unref();
    this.#timers.set(name, timer);
  }

  /** Takes the mount and its directory away. */
  drop(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    this.#mounted.delete(name);
    const target = `${this.#directory}/${name}`;
    try {
      unmount(target);
      rmdirSync(target);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') this.#logger.warn('cannot unmount a layer', { target, error });
    }
  }

  /** Takes away all mounts and directories that are not of these layers. */
  retain(names: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#directory)) if (!names.has(name)) this.drop(name);
  }

  close(): void {
    for (const name of [...this.#mounted]) this.drop(name);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
