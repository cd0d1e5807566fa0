import type { RootedTree, RootedTrees } from '../../../archive/rooted/rooted.ts';
import { newId } from '../../../base/ids.ts';
import { readUserDatabase, resolveUser } from '../../../runtime/spec/user.ts';
import type { Snapshotter } from '../../../snapshots/snapshots.ts';
import type { SourceTree, TargetTree } from '../copier.ts';
import type { Chain } from '../graph/graph.ts';

/** What roots of builds are made with. */
export interface RootsParts {
  readonly snapshotter: Pick<Snapshotter, 'prepare' | 'mounts' | 'viewMounts' | 'diff' | 'remove'>;
  readonly trees: RootedTrees;
  /** An empty directory to mount at. */
  readonly at: string;
}

/** Roots of chains, for looking into them and for changing files without a container. No mount is seen by others. */
export class Roots {
  readonly #parts: RootsParts;

  constructor(parts: RootsParts) {
    this.#parts = parts;
  }

  /** Read-only. */
  async view(chain: Chain): Promise<RootedTree> {
    const { snapshotter, trees, at } = this.#parts;
    return await trees.open({ kind: 'mounted', at, mounts: snapshotter.viewMounts(chain.layers), binds: [] });
  }

  /** A directory of the host as a root. */
  async directory(path: string): Promise<RootedTree> {
    const { trees, at } = this.#parts;
    const mounts = [{ type: 'none', source: path, options: ['bind'] }];
    return await trees.open({ kind: 'mounted', at, mounts, binds: [] });
  }

  /** Runs `body` on a root that can be changed, and gives the changes to `store` as a layer. */
  async changed<T>(
    chain: Chain,
    body: (root: ChangingRoot) => Promise<boolean>,
    store: (layer: ReadableStream<Uint8Array>) => Promise<T>,
  ): Promise<T | undefined> {
    const { snapshotter, trees, at } = this.#parts;
    // What a crash leaves has no container and is removed by the next start.
    const key = `build-${newId().slice(0, 24)}`;
    await snapshotter.prepare(key, chain.layers);
    try {
      const tree = await trees.open({ kind: 'mounted', at, mounts: snapshotter.mounts(key), binds: [] });
      let made: boolean;
      try {
        made = await body(new ChangingRoot(tree));
      } finally {
        await tree.close();
      }
      return made ? await store(snapshotter.diff(key)) : undefined;
    } finally {
      await snapshotter.remove(key);
    }
  }
}

/** A root that is open for changes. */
export class ChangingRoot implements TargetTree, SourceTree {
  readonly #tree: RootedTree;

  constructor(tree: RootedTree) {
    this.#tree = tree;
  }

  stat: SourceTree['stat'] = (path) => this.#tree.stat(path);
  pack: SourceTree['pack'] = (path) => this.#tree.pack(path);

  async put(path: string, tar: ReadableStream<Uint8Array>): Promise<void> {
    try {
      await this.#tree.enter(path);
      await this.#tree.unpack(tar, { keepKinds: false, owner: undefined });
    } catch (error) {
      if (!tar.locked) await tar.cancel().catch(() => {});
      throw error;
    }
  }

  owner(text: string): { uid: number; gid: number } {
    return ownerIn(text, this.#tree);
  }
}

/** `--chown` by numbers, or by names of a root's own users. Throws `invalid` for one that is unknown. */
export function ownerIn(text: string, tree: Pick<RootedTree, 'place'>): { uid: number; gid: number } {
  const numbers = /^(\d+)(?::(\d+))?$/.exec(text);
  if (numbers) {
    const uid = Number(numbers[1]);
    return { uid, gid: numbers[2] === undefined ? uid : Number(numbers[2]) };
  }
  const { uid, gid } = resolveUser(text, [], readUserDatabase(tree.place));
  return { uid, gid };
}
