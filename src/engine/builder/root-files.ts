import type { RootedTrees } from '../../archive/rooted/rooted.ts';
import { readTarMembers } from '../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { onEnd, streamOf } from '../../base/streams.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { ImageService } from '../images/images.ts';

export interface RootFilesParts {
  readonly images: Pick<ImageService, 'get'>;
  readonly snapshotter: Pick<Snapshotter, 'viewMounts'>;
  readonly trees: RootedTrees;
  /** An empty directory to mount at. */
  readonly at: string;
}

/** Members of a root are named from the slash; those of an archive that is unpacked anywhere are not. */
async function* relative(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bare = (name: string): string => name.replace(/^\/+|\/+$/g, '');
  for await (const { entry, body } of readTarMembers(tar)) {
    const name = bare(entry.name);
    if (name === '') continue;
    const linkName = entry.type === 'link' ? bare(entry.linkName) : entry.linkName;
    yield encodeTarHeader({ ...entry, name, linkName });
    if (entry.type !== 'file') continue;
    for await (const piece of body) yield piece;
    yield tarPadding(entry.size);
  }
  yield tarEnd();
}

/** The files of an image as a tar, for `--output type=local` and `type=tar`. */
export class RootFiles {
  readonly #parts: RootFilesParts;

  constructor(parts: RootFilesParts) {
    this.#parts = parts;
  }

  /** Throws `not-found`. The stream holds the image's mount. */
  async tar(reference: string): Promise<ReadableStream<Uint8Array>> {
    const { images, snapshotter, trees, at } = this.#parts;
    const layers = images.get(reference).config.rootfs.diff_ids;
    const tree = await trees.open({ kind: 'mounted', at, mounts: snapshotter.viewMounts(layers), binds: [] });
    try {
      const { tar } = await tree.pack('/');
      return onEnd(streamOf(relative(tar)), () => tree.close());
    } catch (error) {
      await tree.close();
      throw error;
    }
  }
}
