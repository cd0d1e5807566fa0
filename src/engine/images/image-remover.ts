import { isKind, TareError } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import { canonicalString, familiarString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { ImageNameRow } from '../../store/tables/images.ts';
import type { EventBus } from '../events/events.ts';
import type { ImageIndex } from './image-index.ts';
import type { Image } from './images.ts';

/** A container that was made from an image. */
export interface ImageUser {
  readonly id: string;
  readonly running: boolean;
}

/** What removing images takes. */
export interface ImageRemoverParts {
  readonly index: ImageIndex;
  readonly usersOf: (imageId: string) => readonly ImageUser[];
  /** Where an image is mounted for looking inside; undefined when it is not. */
  readonly mountedAt: (imageId: string) => string | undefined;
  readonly events: EventBus;
}

/** What happened to an image, in order. */
export type RemovalStep = { readonly untagged: string } | { readonly deleted: Image };

export interface RemoveOptions {
  readonly force: boolean;
  /** Keep parents that lose their last child and have no name. */
  readonly noPrune: boolean;
}

/**
 * `rmi` and `image prune`, with dockerd's rules for what is in the way and what `force` overrides (moby's
 * daemon/images/image_delete.go). Content is collected later.
 */
export class ImageRemover {
  readonly #parts: ImageRemoverParts;

  constructor(parts: ImageRemoverParts) {
    this.#parts = parts;
  }

  /** Throws `not-found`, or `conflict` with Docker's words. */
  remove(ref: string, options: RemoveOptions): RemovalStep[] {
    const { index } = this.#parts;
    const image = index.get(ref);
    const steps: RemovalStep[] = [];
    if (index.isIdOf(ref, image.id)) {
      const names = index.namesOf(image.id);
      if (isSingleReference(names)) {
        this.#checkDelete(image, options.force, true);
        steps.push(...this.#untag(image, names));
      }
      this.#delete(image, options, false, steps);
      return steps;
    }
    if (this.#removeName(image, ref, options.force, steps)) this.#delete(image, options, true, steps);
    return steps;
  }

  /**
   * Removes images that no container uses and that `matches` accepts; those with a tag only if `all`. Images that
   * are only steps of others are left to their children.
   */
  prune(all: boolean, matches: (image: Image) => boolean): RemovalStep[] {
    const { index } = this.#parts;
    const images = index.list();
    const parents = new Set(images.map((image) => image.parent));
    const steps: RemovalStep[] = [];
    for (const image of images) {
      const names = index.namesOf(image.id);
      if (names.length === 0 && parents.has(image.id)) continue;
      if (!matches(image) || (!all && names.some(({ kind }) => kind === 'tag'))) continue;
      const refs = names.length === 0 ? [image.id] : names.map(({ name }) => name);
      for (const ref of refs) {
        try {
          steps.push(...this.remove(ref, { force: false, noPrune: false }));
        } catch (error) {
          // In use, or gone with a name before it.
          if (!isKind(error, 'conflict', 'not-found')) throw error;
        }
      }
    }
    return steps;
  }

  /** Returns true when the image has no name any more. */
  #removeName(image: Image, ref: string, force: boolean, steps: RemovalStep[]): boolean {
    const { index, usersOf, mountedAt } = this.#parts;
    const names = index.namesOf(image.id);
    const single = isSingleReference(names);
    if (single && mountedAt(image.id) !== undefined) this.#checkDelete(image, force, true);
    const user = usersOf(image.id)[0];
    if (!force && user && single) {
      throw new TareError(
        'conflict',
        `conflict: unable to remove repository reference "${ref}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
      );
    }
    const name = canonicalString(withDefaultTag(parseReference(ref)));
    const row = names.find((one) => one.name === name);
    const others = names.filter((one) => one.name !== name);
    const repository = repositoryOf(name);
    const inRepository = others.filter((one) => repositoryOf(one.name) === repository);
    // Digest names go with the last tag of their repository.
    const goes =
      row?.kind === 'tag' && inRepository.every(({ kind }) => kind === 'digest') ? inRepository : [];
    steps.push(...this.#untag(image, [...(row ? [row] : []), ...goes]));
    return others.length === goes.length;
  }

  /** Deletes an image with the names it has left, then its parents that nobody else needs. */
  #delete(image: Image, options: RemoveOptions, quiet: boolean, steps: RemovalStep[]): void {
    const { index, usersOf } = this.#parts;
    try {
      this.#checkDelete(image, options.force, false);
    } catch (error) {
      // After an untagging, what is still in use just stays; a dangling image that is in the way is told.
      const dangling = index.namesOf(image.id).length === 0 && index.childrenOf(image.id).length === 0;
      if (quiet && isKind(error, 'conflict') && (!dangling || usersOf(image.id).length > 0)) return;
      throw error;
    }
    steps.push(...this.#untag(image, index.namesOf(image.id)));
    index.remove([], image.id);
    this.#emit('delete', image.id, image.id);
    steps.push({ deleted: image });
    const parent = options.noPrune || image.parent === '' ? undefined : index.find(image.parent);
    if (parent !== undefined) this.#delete(parent, { force: false, noPrune: false }, true, steps);
  }

  /** Throws `conflict` for what is in the way. `ignoreNames`: they are about to be removed. */
  #checkDelete(image: Image, force: boolean, ignoreNames: boolean): void {
    const { index, usersOf, mountedAt } = this.#parts;
    const refuse = (how: string, why: string): TareError =>
      new TareError('conflict', `conflict: unable to delete ${shortId(image.id)} (${how}) - ${why}`);
    if (index.childrenOf(image.id).length > 0) {
      throw refuse('cannot be forced', 'image has dependent child images');
    }
    const users = usersOf(image.id);
    const running = users.find((user) => user.running);
    if (running) {
      throw refuse('cannot be forced', `image is being used by running container ${shortId(running.id)}`);
    }
    const path = mountedAt(image.id);
    if (path !== undefined) {
      throw refuse('cannot be forced', `image is mounted at ${path}: unmount it first`);
    }
    if (force) return;
    if (!ignoreNames && index.namesOf(image.id).length > 0) {
      throw refuse('must be forced', 'image is referenced in multiple repositories');
    }
    const stopped = users[0];
    if (stopped) {
      throw refuse('must be forced', `image is being used by stopped container ${shortId(stopped.id)}`);
    }
  }

  #untag(image: Image, rows: readonly ImageNameRow[]): RemovalStep[] {
    if (rows.length === 0) return [];
    this.#parts.index.remove(rows.map(({ name }) => name));
    return rows.map(({ name }) => {
      const untagged = familiarString(parseReference(name));
      this.#emit('untag', image.id, untagged);
      return { untagged };
    });
  }

  #emit(action: string, id: string, name: string): void {
    const labels = this.#parts.index.find(id)?.config.config?.Labels ?? {};
    this.#parts.events.emit({ type: 'image', action, id, attributes: { ...labels, name } });
  }
}

function repositoryOf(name: string): string {
  return name.replace(/[:@][^/]*$/, '');
}

/** At most one tag, and all digest names of its repository. */
function isSingleReference(names: readonly ImageNameRow[]): boolean {
  const tags = names.filter(({ kind }) => kind === 'tag');
  return tags.length <= 1 && new Set(names.map(({ name }) => repositoryOf(name))).size <= 1;
}
