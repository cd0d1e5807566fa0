import { TareError } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import { canonicalString, familiarString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { EventBus } from '../events/events.ts';
import type { ImageIndex } from './image-index.ts';
import type { Image, ImageRemoval } from './images.ts';

/** A container that was made from an image. */
export interface ImageUser {
  readonly id: string;
  readonly running: boolean;
}

/** What removing images takes. */
export interface ImageRemoverParts {
  readonly index: ImageIndex;
  readonly usersOf: (imageId: string) => readonly ImageUser[];
  readonly events: EventBus;
}

/** `rmi`, with dockerd's rules for what is in the way and what `force` overrides. Content is collected later. */
export class ImageRemover {
  readonly #parts: ImageRemoverParts;

  constructor(parts: ImageRemoverParts) {
    this.#parts = parts;
  }

  remove(ref: string, force: boolean): ImageRemoval[] {
    const { index } = this.#parts;
    const image = index.get(ref);
    const names = index.namesOf(image.id);
    if (index.isIdOf(ref, image.id)) {
      const repositories = new Set(names.map(({ name }) => name.replace(/[:@][^/]*$/, '')));
      const tags = names.filter(({ kind }) => kind === 'tag');
      if (!force && (tags.length > 1 || repositories.size > 1)) {
        throw new TareError(
          'conflict',
          `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
        );
      }
      this.#checkUsers(image, force);
      const untagged = this.#untag(
        image,
        names.map(({ name }) => name),
      );
      return [...untagged, this.#delete(image)];
    }
    return this.#removeName(image, canonicalString(withDefaultTag(parseReference(ref))), ref, force);
  }

  #removeName(image: Image, name: string, ref: string, force: boolean): ImageRemoval[] {
    const { index, usersOf } = this.#parts;
    const others = index.namesOf(image.id).filter((row) => row.name !== name);
    // Digest names of the same repository go with its last tag.
    const repository = name.replace(/[:@][^/]*$/, '');
    const leftTags = others.filter(({ kind }) => kind === 'tag');
    const goes = others.filter(
      (row) => row.kind === 'digest' && row.name.startsWith(`${repository}@`) && leftTags.length === 0,
    );
    const last = others.length === goes.length;
    const user = usersOf(image.id)[0];
    if (last && !force && user) {
      throw new TareError(
        'conflict',
        `conflict: unable to remove repository reference "${ref}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
      );
    }
    const records = this.#untag(image, [name, ...goes.map((row) => row.name)]);
    if (!last || usersOf(image.id).some(({ running }) => running)) return records;
    return [...records, this.#delete(image)];
  }

  #checkUsers(image: Image, force: boolean): void {
    const users = this.#parts.usersOf(image.id);
    const running = users.find((user) => user.running);
    const words = `conflict: unable to delete ${shortId(image.id)}`;
    if (running) {
      throw new TareError(
        'conflict',
        `${words} (cannot be forced) - image is being used by running container ${shortId(running.id)}`,
      );
    }
    const stopped = users[0];
    if (stopped && !force) {
      throw new TareError(
        'conflict',
        `${words} (must be forced) - image is being used by stopped container ${shortId(stopped.id)}`,
      );
    }
  }

  #untag(image: Image, names: readonly string[]): ImageRemoval[] {
    this.#parts.index.remove(names);
    return names.map((name) => {
      const untagged = familiarString(parseReference(name));
      this.#emit('untag', image.id, untagged);
      return { untagged };
    });
  }

  #delete(image: Image): ImageRemoval {
    this.#parts.index.remove([], image.id);
    this.#emit('delete', image.id, image.id);
    return { deleted: image.id };
  }

  #emit(action: string, id: string, name: string): void {
    this.#parts.events.emit({ type: 'image', action, id, attributes: { name } });
  }
}
