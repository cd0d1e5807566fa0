import { mkdirSync, readdirSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../kernel/errno.ts';
import { listMounts } from '../../kernel/mount.ts';
import { detachCopy } from '../../kernel/mount-tree.ts';

/**
 * Places on the host where mounts stand ready for containers that are being created: parts of volumes, read-only or
 * translated copies of binds, views of images. They go as soon as the container has its own (docs/adr/0004).
 *
 * What is mounted here is somebody's data: a place is emptied by unmounting, and then removed by calls that fail while
 * anything is mounted or lies there.
 */
export class MountShelf {
  readonly #root: string;

  /** `root`: a directory of its own. */
  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  /** A new empty place for a mount of `like` (a path): a directory for a directory, else a file. */
  place(id: string, index: number, like?: string): string {
    const directory = join(this.#root, id);
    const path = join(directory, String(index));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (like === undefined || statSync(like).isDirectory()) mkdirSync(path, { recursive: true, mode: 0o700 });
    else writeFileSync(path, '', { flag: 'a' });
    return path;
  }

  /** Empties a container's places. Nothing there is fine. */
  clear(id: string): void {
    const directory = join(this.#root, id);
    let names: string[];
    try {
      names = readdirSync(directory);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      throw error;
    }
    const mounted = listMounts().filter(({ target }) => target.startsWith(`${directory}/`));
    for (const { target } of mounted.reverse()) detachCopy(target);
    for (const name of names) {
      const path = join(directory, name);
      if (statSync(path).isDirectory()) rmdirSync(path);
      else unlinkSync(path);
    }
    rmdirSync(directory);
  }

  /** Ids of containers that have places: after a crash those whose creation was cut short. */
  ids(): string[] {
    return readdirSync(this.#root);
  }
}
