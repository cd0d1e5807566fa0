import type { Descriptor } from '../../oci/descriptor.ts';

/**
 * The compressed forms of layers: the one place that knows them.
 *
 * A layer is kept once, by its diff id, in the snapshotter. Manifests name a *form* of it: the same tar, plain or
 * compressed by somebody, under that form's own digest. The bytes of a form come from one of three places:
 *
 * - the layer itself, when the form is the plain tar: its digest is the diff id;
 * - the content store, when the form was pulled and other bytes could not be made from the layer;
 * - a *recipe*: an encoder of ours and its level, which make exactly these bytes from the layer's tar whenever
 *   they are asked for. So a pushed layer takes no second place on the disk, and pushing it again asks only
 *   whether the registry has that digest.
 *
 * Example: to push a layer, `blobs.forms(diffId)` has the digests that a registry may know. When none is there,
 * `const made = blobs.compress(diffId)`: send `made.bytes` as they come; at their end `await made.form` says
 * digest and size, and the recipe has a row.
 *
 * A form is listed only while its bytes can be had. All methods but the streams are immediate.
 */
export interface LayerBlobs {
  /** Forms of a layer that compress it, best for a push first; empty when none is known. */
  forms(diffId: string): LayerForm[];
  /** The form with this digest, also a plain one; undefined when it is none or its bytes cannot be had. */
  find(digest: string): LayerForm | undefined;
  /**
   * The bytes of a form from an offset on. Throws `not-found`. What a recipe gives is checked at the end: the
   * stream then fails with `corrupt` when the digest is another one than promised.
   */
  stream(digest: string, from?: number): ReadableStream<Uint8Array>;
  /** Compresses a layer anew. Nothing happens before `bytes` is read. Throws `not-found` for an unknown layer. */
  compress(diffId: string): CompressedLayer;
  /** The best compressed form there is, made now if there is none: for who needs digests before bytes. */
  ensure(diffId: string): Promise<LayerForm>;
  /**
   * Whether an encoder of ours makes exactly this form's bytes from its layer. Compares all of them, once; the recipe
   * then has a row, and the blob can be dropped.
   */
  reproduces(digest: string): Promise<boolean>;
  /** Notes that blobs in the content store are forms of layers; who pulls calls it before the image's row. */
  pulled(forms: readonly { readonly diffId: string; readonly descriptor: Descriptor }[]): void;
  /** Notes that a repository (`docker.io/library/nginx`) has these blobs: others there can mount them. */
  seenIn(repository: string, digests: readonly string[]): void;
  /** Repositories that have had a blob, the last seen first. */
  repositoriesOf(digest: string): string[];
  /** Forgets the forms of layers that are not kept any more, and those whose bytes are gone and were seen nowhere. */
  retain(isKept: (diffId: string) => boolean): void;
}

/** One form of a layer. */
export interface LayerForm {
  readonly diffId: string;
  /** Its media type is the one it was first met with; Docker's and OCI's name the same bytes. */
  readonly descriptor: Descriptor;
  readonly from: 'layer' | 'content' | 'recipe';
}

/** A layer on its way through the encoder. */
export interface CompressedLayer {
  /** Can be read once. */
  readonly bytes: ReadableStream<Uint8Array>;
  /** After the last byte; rejects with what ended the stream. */
  readonly form: Promise<LayerForm>;
  /** Bytes of the tar that have been read, and that there are. */
  readonly progress: () => { readonly current: number; readonly total: number };
}
