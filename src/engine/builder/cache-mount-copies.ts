import { writeTree } from '../../archive/write-tree.ts';
import { TareError } from '../../base/errors.ts';
import { onEnd } from '../../base/streams.ts';
import type { CacheMounts } from './operations/cache-mounts.ts';
import type { Roots } from './operations/roots.ts';

export interface CacheMountCopiesParts {
  readonly mounts: Pick<CacheMounts, 'list' | 'take'>;
  readonly roots: Pick<Roots, 'directory'>;
}

/** The directories of `RUN --mount=type=cache` as tars, out and in again. */
export class CacheMountCopies {
  readonly #parts: CacheMountCopiesParts;

  constructor(parts: CacheMountCopiesParts) {
    this.#parts = parts;
  }

  /** A cache's files as they are now; a build that has it may be writing. Throws `not-found`. */
  async export(id: string): Promise<ReadableStream<Uint8Array>> {
    const { mounts } = this.#parts;
    const known = await mounts.list();
    const found = known.find((record) => record.id === id) ?? known.find(({ name }) => name === id);
    if (found === undefined) {
      const ids = [...new Set(known.map((record) => record.id))].sort();
      const hint = ids.length === 0 ? 'no build has left one' : `there are: ${ids.join(', ')}`;
      throw new TareError('not-found', `No such cache mount: ${id} (${hint})`);
    }
    const taken = await mounts.take(mountOf(found.id), async () => {});
    return onEnd(writeTree(taken.path), () => taken.release());
  }

  /** Adds a tar's files to a cache, which is made when there is none. */
  async import(id: string, tar: ReadableStream<Uint8Array>): Promise<void> {
    const { mounts, roots } = this.#parts;
    if (id === '') throw new TareError('invalid', 'the id of the cache mount is missing');
    // Nobody else writes meanwhile, if they all ask for that.
    const taken = await mounts.take({ ...mountOf(id), sharing: 'locked' }, async () => {});
    try {
      const tree = await roots.directory(taken.path);
      try {
        await tree.enter('/');
        await tree.unpack(tar, { keepKinds: false, owner: undefined });
      } finally {
        await tree.close();
      }
    } finally {
      taken.release();
    }
  }
}

function mountOf(id: string): Parameters<CacheMounts['take']>[0] {
  return {
    type: 'cache',
    target: id,
    id,
    from: '',
    source: '',
    readOnly: false,
    sharing: 'shared',
    mode: 0o755,
    uid: 0,
    gid: 0,
  };
}
