import { TareError } from '../../base/errors.ts';
import type { ImageConfigFile } from '../../oci/image-config.ts';
import { parseImageConfig } from '../../oci/parse-image-config.ts';
import {
  canonicalString,
  familiarString,
  parseReference,
  tryParseReference,
  withDefaultTag,
} from '../../oci/reference.ts';
import type { ImageNameRow, ImageRow } from '../../store/tables/images.ts';
import type { Image } from './images.ts';

/** Where the rows are kept; store's ImageTable, or a fake. */
export interface ImageRows {
  apply(change: {
    readonly images?: readonly ImageRow[];
    readonly names?: readonly ImageNameRow[];
    readonly removedNames?: readonly string[];
    readonly removedImages?: readonly string[];
  }): void;
  images(): ImageRow[];
  names(): ImageNameRow[];
}

/** What the row of an image says besides its id. */
interface Stored {
  /** The config file's text, byte for byte. */
  readonly config: string;
  /** Bytes. */
  readonly size: number;
  readonly parent: string;
  /** Digests of the blobs that belong to it: config, manifests, compressed layers. */
  readonly blobs: readonly string[];
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
}

interface Entry extends Stored {
  readonly id: string;
  readonly parsed: ImageConfigFile;
}

/** A new image, whose content is durable already. */
export interface NewImage {
  readonly id: string;
  readonly configText: string;
  readonly size: number;
  readonly parent: string;
  readonly blobs: readonly string[];
  /** Canonical tag names it gets. */
  readonly tags: readonly string[];
  /** Canonical `name@sha256:…` it was pulled as. */
  readonly digests: readonly string[];
}

/** All images and their names, in memory and in the database. */
export class ImageIndex {
  readonly #rows: ImageRows;
  readonly #entries = new Map<string, Entry>();
  /** By canonical name. */
  readonly #names = new Map<string, ImageNameRow>();
  #revision = 0;

  constructor(rows: ImageRows) {
    this.#rows = rows;
    for (const { id, document } of rows.images()) {
      const stored = JSON.parse(document) as Stored;
      this.#entries.set(id, { ...stored, id, parsed: parseImageConfig(Buffer.from(stored.config)) });
    }
    for (const row of rows.names()) this.#names.set(row.name, row);
  }

  /** Another number after every change of what images there are. */
  get revision(): number {
    return this.#revision;
  }

  /** Adds an image and its names in one commit; an image that is there gets the names and blobs only. */
  add(image: NewImage): Image {
    const before = this.#entries.get(image.id);
    const stored: Stored = {
      config: image.configText,
      size: image.size,
      parent: before?.parent || image.parent,
      blobs: [...new Set([...(before?.blobs ?? []), ...image.blobs])],
      addedAt: before?.addedAt ?? Date.now(),
    };
    const names = [...nameRows(image.tags, image.id, 'tag'), ...nameRows(image.digests, image.id, 'digest')];
    this.#rows.apply({ images: [{ id: image.id, document: JSON.stringify(stored) }], names });
    const parsed = parseImageConfig(Buffer.from(image.configText));
    this.#entries.set(image.id, { ...stored, id: image.id, parsed });
    this.#revision += 1;
    for (const row of names) this.#names.set(row.name, row);
    return this.get(image.id);
  }

  /** Gives an image one more tag; the tag leaves whatever image had it. */
  tag(id: string, name: string): void {
    const names = nameRows([name], id, 'tag');
    this.#rows.apply({ names });
    for (const row of names) this.#names.set(row.name, row);
  }

  /** Takes names away, and with `image` the image itself, in one commit. */
  remove(names: readonly string[], image?: string): void {
    this.#rows.apply({ removedNames: names, removedImages: image === undefined ? [] : [image] });
    for (const name of names) this.#names.delete(name);
    if (image !== undefined) this.#entries.delete(image);
    this.#revision += 1;
  }

  /** Sorted, as dockerd has them everywhere. */
  namesOf(id: string): ImageNameRow[] {
    return [...this.#names.values()].filter((row) => row.imageId === id).sort(byName);
  }

  /** Ids of the images that were committed or built from this one. */
  childrenOf(id: string): string[] {
    return [...this.#entries.values()].filter((entry) => entry.parent === id).map((entry) => entry.id);
  }

  list(): Image[] {
    const byImage = new Map<string, ImageNameRow[]>();
    for (const row of this.#names.values()) {
      const rows = byImage.get(row.imageId);
      if (rows) rows.push(row);
      else byImage.set(row.imageId, [row]);
    }
    return [...this.#entries.values()].map((entry) =>
      toImage(entry, byImage.get(entry.id)?.sort(byName) ?? []),
    );
  }

  /** Digests of all blobs that some image needs. */
  *blobs(): Generator<string> {
    for (const entry of this.#entries.values()) {
      yield entry.id;
      yield* entry.blobs;
    }
  }

  /** Takes blobs out of an image's row that are lost. */
  forgetBlobs(id: string, digests: readonly string[]): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const { id: _, parsed, ...stored } = entry;
    const left = { ...stored, blobs: stored.blobs.filter((digest) => !digests.includes(digest)) };
    this.#rows.apply({ images: [{ id, document: JSON.stringify(left) }] });
    this.#entries.set(id, { ...left, id, parsed });
    this.#revision += 1;
  }

  /** Names that stand for no image: rows that something other than this program wrote. */
  namesWithoutImage(): string[] {
    return [...this.#names.values()].filter((row) => !this.#entries.has(row.imageId)).map(({ name }) => name);
  }

  blobsOf(id: string): readonly string[] {
    return this.#entries.get(id)?.blobs ?? [];
  }

  configText(id: string): string {
    return this.#entries.get(id)?.config ?? '';
  }

  get(ref: string): Image {
    const image = this.find(ref);
    if (!image) throw new TareError('not-found', `No such image: ${familiar(ref)}`);
    return image;
  }

  find(ref: string): Image | undefined {
    const entry = this.#findEntry(ref);
    return entry && toImage(entry, this.namesOf(entry.id));
  }

  #findEntry(ref: string): Entry | undefined {
    const hex = ref.startsWith('sha256:') ? ref.slice('sha256:'.length) : ref;
    const whole = this.#entries.get(`sha256:${hex}`);
    if (whole) return whole;
    const parsed = tryParseReference(ref);
    if (parsed) {
      const row = this.#names.get(canonicalString(withDefaultTag(parsed)));
      if (row) return this.#entries.get(row.imageId);
    }
    if (!/^[0-9a-f]{1,64}$/.test(hex)) {
      // A malformed reference is the caller's mistake, not a missing image.
      if (!parsed) parseReference(ref);
      return undefined;
    }
    let found: Entry | undefined;
    for (const [id, entry] of this.#entries) {
      if (!id.startsWith(`sha256:${hex}`)) continue;
      if (found) return undefined;
      found = entry;
    }
    return found;
  }

  /** True when `ref` names the image by (a prefix of) its id. */
  isIdOf(ref: string, id: string): boolean {
    const hex = ref.startsWith('sha256:') ? ref.slice('sha256:'.length) : ref;
    if (!id.startsWith(`sha256:${hex}`)) return false;
    const parsed = tryParseReference(ref);
    return !parsed || !this.#names.has(canonicalString(withDefaultTag(parsed)));
  }
}

function familiar(ref: string): string {
  const parsed = tryParseReference(ref);
  return parsed ? familiarString(withDefaultTag(parsed)) : ref;
}

function nameRows(names: readonly string[], imageId: string, kind: 'tag' | 'digest'): ImageNameRow[] {
  return names.map((name) => ({ name, imageId, kind, taggedAt: Date.now() }));
}

function byName(a: ImageNameRow, b: ImageNameRow): number {
  return a.name < b.name ? -1 : 1;
}

function toImage(entry: Entry, names: readonly ImageNameRow[]): Image {
  const familiarNames = (kind: 'tag' | 'digest'): string[] =>
    names.filter((row) => row.kind === kind).map((row) => familiarString(parseReference(row.name)));
  const tagged = names.filter((row) => row.kind === 'tag').map((row) => row.taggedAt);
  return {
    id: entry.id,
    config: entry.parsed,
    repoTags: familiarNames('tag'),
    repoDigests: familiarNames('digest'),
    size: entry.size,
    createdAt: Date.parse(entry.parsed.created ?? '') || 0,
    parent: entry.parent,
    lastTagged: Math.max(0, ...tagged),
  };
}
