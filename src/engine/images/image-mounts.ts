import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { listMounts, mount, unmount } from '../../kernel/mount.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Image } from './images.ts';

/** An image that is mounted for looking inside. */
export interface ImageMount {
  readonly image: Image;
  /** Where its root is. */
  readonly path: string;
}

export interface ImageMountParts {
  /** Made if missing; belongs to this instance alone. A mounted image's directory is named by its id's digits. */
  readonly directory: string;
  readonly images: { get(ref: string): Image; find(ref: string): Image | undefined };
  readonly snapshotter: Pick<Snapshotter, 'viewMounts'>;
  readonly log: Logger;
}

/**
 * Read-only views of images in the host's file system (`image mount`). The kernel's table is the only record of what
 * is mounted: a view outlives the daemon and is there again when the next one looks. A mounted image cannot be removed.
 */
export class ImageMounts {
  readonly #parts: ImageMountParts;
  /** Ids of mounted images. */
  readonly #mounted = new Set<string>();

  constructor(parts: ImageMountParts) {
    this.#parts = parts;
  }

  /** At start-up: takes over the views that are there and removes what is left of others. */
  adopt(): void {
    const { directory, images, log } = this.#parts;
    // Images may hold secrets: their views are for root.
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const targets = new Set(listMounts().map(({ target }) => target));
    for (const name of readdirSync(directory)) {
      const id = `sha256:${name}`;
      if (targets.has(join(directory, name)) && images.find(id)?.id === id) this.#mounted.add(id);
      else {
        try {
          this.#takeAway(id);
        } catch (error) {
          log.warn('an old view of an image stays', { image: id, error: messageOf(error) });
        }
      }
    }
  }

  /** Mounts an image, or finds it mounted. Throws `not-found`. */
  mount(ref: string): ImageMount {
    const { images, snapshotter } = this.#parts;
    const image = images.get(ref);
    const path = this.#path(image.id);
    if (this.#mounted.has(image.id)) return { image, path };
    try {
      mkdirSync(path, { recursive: true, mode: 0o711 });
      for (const { type, source, target, options } of snapshotter.viewMounts(image.config.rootfs.diff_ids)) {
        // Nobody on the host is to get more rights by what an image holds.
        mount(type, source, join(path, target), ['nosuid', 'nodev', ...options]);
      }
    } catch (error) {
      this.#takeAway(image.id);
      throw error instanceof TareError ? error : fromNodeError(error, `cannot mount the image ${ref}`);
    }
    this.#mounted.add(image.id);
    return { image, path };
  }

  /** Takes an image's view away; who is in it keeps it until he leaves. Throws `not-found`, also when not mounted. */
  unmount(ref: string): ImageMount {
    const image = this.#parts.images.get(ref);
    if (!this.#mounted.has(image.id)) throw new TareError('not-found', `the image ${ref} is not mounted`);
    this.#takeAway(image.id);
    this.#mounted.delete(image.id);
    return { image, path: this.#path(image.id) };
  }

  list(): ImageMount[] {
    return [...this.#mounted].flatMap((id) => {
      const image = this.#parts.images.find(id);
      return image === undefined ? [] : [{ image, path: this.#path(id) }];
    });
  }

  /** Where an image is mounted; undefined when it is not. */
  pathOf(imageId: string): string | undefined {
    return this.#mounted.has(imageId) ? this.#path(imageId) : undefined;
  }

  #path(id: string): string {
    return join(this.#parts.directory, id.slice('sha256:'.length));
  }

  #takeAway(id: string): void {
    const path = this.#path(id);
    unmount(path);
    try {
      // Only the empty directory: whatever else is there is not ours.
      rmdirSync(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw fromNodeError(error, `cannot remove ${path}`);
    }
  }
}
