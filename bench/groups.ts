import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
/** Groups that engines make for all their containers and leave behind. */
const PARENTS = ['docker', 'libpod_parent', 'tare-bench', 'tare'];

/** Remembers which parent groups were there, so that those of the bench can be told from anybody else's. */
export class Groups {
  readonly #before = new Set(Groups.#present());

  static #present(): string[] {
    const hierarchies = [ROOT, ...(existsSync(ROOT) ? folders(ROOT) : [])];
    return hierarchies
      .flatMap((place) => PARENTS.map((name) => join(place, name)))
      .filter((path) => existsSync(path));
  }

  /** Removes the new ones. A group with a process in it stays: the kernel refuses. */
  removeNew(): void {
    for (const path of Groups.#present()) if (!this.#before.has(path)) removeTree(path);
  }
}

function folders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));
}

function removeTree(path: string): void {
  try {
    for (const child of folders(path)) removeTree(child);
    rmdirSync(path);
  } catch {
    // In use.
  }
}
