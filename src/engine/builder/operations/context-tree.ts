import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { type ByteString, toByteString, toText } from '../../../archive/byte-string.ts';
import type { RootedTree } from '../../../archive/rooted/rooted.ts';
import type { Chain } from '../graph/graph.ts';
import type { Roots } from './roots.ts';

/** Bytes of a file that is read at once. */
const SMALL = 1024 * 1024;

/** Where a context lies: in a directory of this host, or in layers. */
export type ContextPlace =
  | {
      readonly kind: 'directory';
      readonly path: string;
      /** Digests of files that somebody has computed already. */
      readonly digestOf?: ((path: string) => string | undefined) | undefined;
    }
  | { readonly kind: 'chain'; readonly chain: Chain };

/** A context, while nobody changes it. */
export class ContextTree {
  readonly place: ContextPlace;
  readonly #view: RootedTree | undefined;
  readonly #roots: Roots;
  readonly #digests = new Map<ByteString, Promise<string>>();

  private constructor(place: ContextPlace, view: RootedTree | undefined, roots: Roots) {
    this.place = place;
    this.#view = view;
    this.#roots = roots;
  }

  static async open(place: ContextPlace, roots: Roots): Promise<ContextTree> {
    // A directory needs no mount to be looked at.
    const view = place.kind === 'directory' ? undefined : await openPlace(place, roots);
    return new ContextTree(place, view, roots);
  }

  /** A view that the caller closes. */
  another(): Promise<RootedTree> {
    return openPlace(this.place, this.#roots);
  }

  /** A path of this process alone; the root itself and not the link that a descriptor's name is. */
  get root(): ByteString {
    const { place } = this;
    return `${toByteString(place.kind === 'directory' ? place.path : (this.#view?.place ?? ''))}/.`;
  }

  /** Hex SHA-256 of a regular file's bytes; `path` is relative to the root. Computed once. */
  digestOf(path: ByteString, size: number): string | Promise<string> {
    const known = this.place.kind === 'directory' ? this.place.digestOf?.(toText(path)) : undefined;
    if (known !== undefined) return known;
    let digest = this.#digests.get(path);
    if (!digest) {
      digest = this.#compute(path, size);
      this.#digests.set(path, digest);
    }
    return digest;
  }

  async #compute(path: ByteString, size: number): Promise<string> {
    const hash = createHash('sha256');
    const name = Buffer.from(`${this.root}/${path}`, 'latin1');
    if (size <= SMALL) hash.update(readFileSync(name));
    else for await (const piece of createReadStream(name, { highWaterMark: SMALL })) hash.update(piece);
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#view?.close();
  }
}

function openPlace(place: ContextPlace, roots: Roots): Promise<RootedTree> {
  return place.kind === 'directory' ? roots.directory(place.path) : roots.view(place.chain);
}
