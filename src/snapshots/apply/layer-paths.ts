import { parentOf } from '../../archive/byte-paths.ts';
import type { ByteString } from '../../archive/byte-string.ts';
import { toText } from '../../archive/byte-string.ts';
import { TareError } from '../../base/errors.ts';

/** Longest chain of symbolic links, as in the kernel (path_resolution(7)). */
export const LINKS_LIMIT = 40;

/**
 * The components of a member's name: `/`, `./` and `a/../` are taken out. Throws `corrupt` when `..` leads out
 * of the layer.
 */
export function componentsOf(name: ByteString, what: string): ByteString[] {
  const parts: ByteString[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw new TareError(
        'corrupt',
        `invalid layer: ${what} ${JSON.stringify(toText(name))} leaves the layer`,
      );
    }
  }
  return parts;
}

/**
 * What is known of a tree that is being written: its directories and symbolic links. Nobody else writes there,
 * so parents are resolved in memory and no system call ever follows a link out of the tree.
 */
export class LayerPaths {
  /** Real directories by path, `` is the root. */
  readonly directories = new Set<ByteString>(['']);
  readonly links = new Map<ByteString, ByteString>();

  /**
   * Resolves a directory's components inside the root, following links as the kernel would with this tree as
   * root. Missing directories are made by `make`, called with each path from the top. Throws `corrupt` when a
   * file is in the way (`make` decides) or for a loop of links.
   */
  resolveDirectory(components: readonly ByteString[], make: (path: ByteString) => void): ByteString {
    const plain = components.join('/');
    if (this.directories.has(plain)) return plain;
    const todo = components.toReversed();
    let at: ByteString = '';
    let followed = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        at = parentOf(at);
        continue;
      }
      const path = at === '' ? part : `${at}/${part}`;
      const target = this.links.get(path);
      if (target !== undefined) {
        if (++followed > LINKS_LIMIT)
          throw new TareError('corrupt', 'invalid layer: a loop of symbolic links');
        if (target.startsWith('/')) at = '';
        todo.push(...target.split('/').toReversed());
        continue;
      }
      if (!this.directories.has(path)) {
        make(path);
        this.directories.add(path);
      }
      at = path;
    }
    return at;
  }

  /** Forgets `path` and everything below it. */
  forget(path: ByteString): void {
    this.links.delete(path);
    if (!this.directories.delete(path)) return;
    const prefix = `${path}/`;
    for (const known of this.directories) if (known.startsWith(prefix)) this.directories.delete(known);
    for (const known of this.links.keys()) if (known.startsWith(prefix)) this.links.delete(known);
  }
}
