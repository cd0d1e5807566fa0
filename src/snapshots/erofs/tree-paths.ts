import { joinPath } from '../../archive/byte-paths.ts';
import type { ByteString } from '../../archive/byte-string.ts';
import { TareError } from '../../base/errors.ts';
import { LINKS_LIMIT } from '../apply/layer-paths.ts';
import type { LayerNode } from './node.ts';

/** A directory of a layer's tree. */
export interface Place {
  readonly node: LayerNode;
  readonly path: ByteString;
}

/**
 * Finds directories in a layer's tree by their names, following links as the kernel would with this tree as root;
 * as LayerPaths does for a tree on the disk.
 */
export class TreePaths {
  readonly #root: Place;
  /** Where the last search led: members of one directory follow one another. */
  #last: { plain: string; place: Place } | undefined;

  constructor(root: LayerNode) {
    this.#root = { node: root, path: '' };
  }

  /** Something was replaced: what led through it may lead elsewhere. */
  changed(): void {
    this.#last = undefined;
  }

  /**
   * What is no directory and no link is left to `make`, which gives a new directory for the name or throws. Throws
   * `corrupt` for a loop of links.
   */
  directory(components: readonly ByteString[], make: (at: Place, name: ByteString) => LayerNode): Place {
    const plain = components.join('/');
    if (this.#last?.plain === plain) return this.#last.place;
    const place = this.#walk(components, make);
    this.#last = { plain, place };
    return place;
  }

  #walk(components: readonly ByteString[], make: (at: Place, name: ByteString) => LayerNode): Place {
    const todo = components.toReversed();
    let way: Place[] = [this.#root];
    let followed = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (way.length > 1) way.pop();
        continue;
      }
      const at = way.at(-1) ?? this.#root;
      const found = at.node.entries.get(part);
      if (found?.type === 'symlink') {
        if (++followed > LINKS_LIMIT)
          throw new TareError('corrupt', 'invalid layer: a loop of symbolic links');
        if (found.target.startsWith('/')) way = [this.#root];
        todo.push(...found.target.split('/').toReversed());
        continue;
      }
      const path = joinPath(at.path, part);
      way.push({ node: found?.type === 'directory' ? found : make(at, part), path });
    }
    return way.at(-1) ?? this.#root;
  }
}
