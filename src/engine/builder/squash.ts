import { baseOf, parentOf } from '../../archive/byte-paths.ts';
import { readTarMembers } from '../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { TareError } from '../../base/errors.ts';
import { streamOf } from '../../base/streams.ts';
import type { ImageConfigFile } from '../../oci/image-config.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { ImageService } from '../images/images.ts';

export interface SquashParts {
  readonly images: Pick<ImageService, 'get' | 'work' | 'tag'>;
  readonly snapshotter: Pick<Snapshotter, 'layerTar'>;
}

/** OCI image-spec layer.md. */
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** Makes one layer of those that a build added to the image that it began from (`--squash`). */
export class Squash {
  readonly #parts: SquashParts;

  constructor(parts: SquashParts) {
    this.#parts = parts;
  }

  /** Returns the id of the image that has the tags then; the other one stays, as with Docker. */
  async squash(id: string, tags: readonly string[]): Promise<string> {
    const { images, snapshotter } = this.#parts;
    const image = images.get(id);
    const base = image.parent === '' ? undefined : images.get(image.parent);
    const below = base?.config.rootfs.diff_ids ?? [];
    const own = image.config.rootfs.diff_ids.slice(below.length);
    if (own.length < 2) return id;
    return await images.work(async (work) => {
      const tars = own.toReversed().map((layer) => () => snapshotter.layerTar(layer));
      const { diffId } = await work.layers.applyLayer(
        undefined,
        streamOf(mergedLayers(tars, below.length > 0)),
      );
      const count = base?.config.history?.length ?? 0;
      const { history = [], created } = image.config;
      const config: ImageConfigFile = {
        ...image.config,
        rootfs: { type: 'layers', diff_ids: [...below, diffId] },
        history: [
          ...history.slice(0, count),
          ...history.slice(count).map((entry) => ({ ...entry, empty_layer: true })),
          { ...(created !== undefined && { created }), comment: `merge ${id} to ${image.parent}` },
        ],
      };
      const { id: made } = await work.assemble(config, image.parent);
      for (const tag of tags) await images.tag(made, tag);
      return made;
    });
  }
}

/** What layers above the current one have said, by path. */
class Above {
  /** True for a directory. */
  readonly #there = new Map<string, boolean>();
  /** Nothing of what lies below these shows any more. */
  readonly #covers = new Set<string>();

  add(path: string, isDirectory: boolean): void {
    this.#there.set(path, isDirectory);
    if (!isDirectory) this.#covers.add(path);
  }

  cover(path: string): void {
    this.#covers.add(path);
  }

  isDirectory(path: string): boolean | undefined {
    return this.#there.get(path);
  }

  hides(path: string): boolean {
    if (this.#there.has(path)) return true;
    for (let at = path; at !== ''; at = parentOf(at)) if (this.#covers.has(at)) return true;
    return false;
  }

  /** Below something that hides all. */
  hidesBelow(path: string): boolean {
    for (let at = parentOf(path); at !== ''; at = parentOf(at)) if (this.#covers.has(at)) return true;
    return false;
  }
}

/**
 * Layers, the topmost first, as one. What one of them removes is only told of when there is something `below` them that
 * it may be removed from. Throws `not-implemented` for a hard link whose first name a layer above has taken.
 */
export async function* mergedLayers(
  tars: ReadonlyArray<() => AsyncIterable<Uint8Array>>,
  below: boolean,
): AsyncGenerator<Uint8Array> {
  const above = new Above();
  for (const open of tars) {
    const later: Array<() => void> = [];
    const written = new Set<string>();
    for await (const { entry, body } of readTarMembers(open())) {
      const path = entry.name.replace(/^(\.?\/)+|\/+$/g, '');
      const base = baseOf(path);
      const directory = parentOf(path);
      if (base === OPAQUE) {
        if (below && !above.hidesBelow(path) && directory !== '')
          yield encodeTarHeader({ ...entry, name: path });
        later.push(() => above.cover(directory));
      } else if (base.startsWith(WHITEOUT)) {
        const gone = `${directory === '' ? '' : `${directory}/`}${base.slice(WHITEOUT.length)}`;
        if (below && !above.hidesBelow(gone)) yield* removal(path, gone, above.isDirectory(gone));
        later.push(() => above.cover(gone));
      } else if (path !== '' && !above.hides(path)) {
        const linkName = entry.type === 'link' ? entry.linkName.replace(/^(\.?\/)+/, '') : entry.linkName;
        if (entry.type === 'link' && !written.has(linkName)) {
          throw new TareError(
            'not-implemented',
            `--squash cannot keep ${path}: it is a hard link to ${linkName}, which a later step has changed`,
          );
        }
        written.add(path);
        yield encodeTarHeader({ ...entry, name: path, linkName });
        if (entry.type === 'file') {
          for await (const piece of body) yield piece;
          yield tarPadding(entry.size);
        }
        later.push(() => above.add(path, entry.type === 'directory'));
      }
    }
    for (const say of later) say();
  }
  yield tarEnd();
}

/** A name that was removed: or a directory that was made again, of which nothing older shows. */
function* removal(path: string, gone: string, isDirectory: boolean | undefined): Generator<Uint8Array> {
  if (isDirectory === undefined) yield encodeTarHeader({ type: 'file', name: path, mode: 0o600 });
  else if (isDirectory) yield encodeTarHeader({ type: 'file', name: `${gone}/${OPAQUE}`, mode: 0o600 });
}
