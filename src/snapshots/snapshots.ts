import type { UnpackLimit } from '../archive/unpack-limit.ts';

/**
 * Snapshots turn layers into file systems.
 *
 * - A *layer* is the immutable tree of one layer's tar, kept under its *diff id* (the digest of the uncompressed
 *   tar). It is stored once, whatever images or parents use it.
 * - A *snapshot* is a writable (or read-only) view over a chain of layers, kept under a caller's key: a
 *   container's id, a build step's id. Only its own changes are stored.
 *
 * Snapshots return mounts and perform none, but for the layers themselves where those are file systems of their
 * own; who mounts a snapshot is the caller's business.
 *
 * Example: `await s.applyLayer(diffId, tar)` for each layer of an image, bottom first. Then
 * `await s.prepare('c1', diffIds)`, and `s.mounts('c1')` says how to mount it. After the container has run,
 * `s.changes('c1')` lists what differs, `s.diff('c1')` is those changes as a layer tar, and
 * `await s.remove('c1')` forgets them.
 *
 * Every method is crash-safe: a layer or snapshot is there as a whole or not at all.
 */
export interface Snapshotter {
  /** `overlay`, `erofs`: shown by `info` as the storage driver. */
  readonly name: string;

  /**
   * Stores a layer from its tar and checks its digest. With no `diffId`, computes it. Already there: nothing is
   * read. Throws `corrupt` (digest, format, path that leaves the layer), `exhausted` (disk).
   */
  applyLayer(diffId: string | undefined, source: LayerSource): Promise<LayerInfo>;
  hasLayer(diffId: string): boolean;
  layer(diffId: string): LayerInfo | undefined;
  listLayers(): LayerInfo[];
  /** What the layer takes on the disk, in bytes; 0 when it is not there. */
  layerDiskSize(diffId: string): Promise<number>;
  /**
   * Removes a layer; it is gone for every other method as soon as this is called. The caller knows that no snapshot
   * or image uses it.
   */
  removeLayer(diffId: string): Promise<void>;
  /**
   * Checks what `layerTar` does not read: the index, the entry. Throws `corrupt` with what is wrong. Left out where
   * there is nothing but the tar.
   */
  verifyLayer?(diffId: string): Promise<void>;
  /** The layer's uncompressed tar again, byte for byte: its digest is the diff id. */
  layerTar(diffId: string): ReadableStream<Uint8Array>;

  /** Makes a writable snapshot over `layers` (bottom first). Throws `conflict` when the key is there. */
  prepare(key: string, layers: readonly string[]): Promise<void>;
  /**
   * Limits what a snapshot stores of its own to `bytes`; before it is mounted. False where the file system has no
   * project quotas.
   */
  limit(key: string, bytes: number): boolean;
  /** How to mount the snapshot. */
  mounts(key: string): MountSpec[];
  /**
   * How to mount the snapshot read-only while it may be mounted by `mounts` elsewhere. For one pass over its
   * files; what changes meanwhile may or may not be seen.
   */
  secondLook(key: string): MountSpec[];
  /** How to mount the layers read-only, without a snapshot; within a minute. */
  viewMounts(layers: readonly string[]): MountSpec[];
  has(key: string): boolean;
  listSnapshots(): string[];
  /** Diff ids of the layers that snapshots stand on. */
  layersInUse(): Set<string>;
  remove(key: string): Promise<void>;

  /**
   * What the snapshot changed against its layers, sorted by path, as `docker diff` reports it. `hidden`: absolute
   * paths of mount points that the runtime made in the snapshot; an empty file or directory there is no change.
   */
  changes(key: string, hidden?: readonly string[]): Promise<Change[]>;
  /** The snapshot's changes as a layer tar with OCI whiteouts (`.wh.NAME`, `.wh..wh..opq`). */
  diff(key: string, hidden?: readonly string[]): ReadableStream<Uint8Array>;
  /** What the snapshot itself takes. */
  usage(key: string): Promise<Usage>;
  /** Removes half-made layers and snapshots, at start-up. */
  sweep(): Promise<void>;
  /** Waits for what goes on in the background and lets go of threads. */
  close(): Promise<void>;
}

/** A layer's tar, plain, or packed as registries and archives have it. */
export type LayerSource = ReadableStream<Uint8Array> | PackedLayer | MemberLayer;

/** A layer that is put together of files: the thread that stores it reads them itself. */
export interface MemberLayer {
  /** In batches of some hundred. */
  readonly members: Iterable<readonly LayerMember[]> | AsyncIterable<readonly LayerMember[]>;
}

export interface LayerMember {
  /** The member's tar header; of one without contents, or with its contents and padding behind it, all of it. */
  readonly header: Uint8Array;
  /** Byte string: a regular file whose first `size` bytes are the contents; it must not change meanwhile. */
  readonly path?: string;
  readonly size?: number;
}

/** A layer that may be compressed (gzip, zstd): unpacked in the thread that stores it. */
export interface PackedLayer {
  /** A stream, or the path of a file, which that thread then reads by itself. */
  readonly packed: ReadableStream<Uint8Array> | string;
  readonly limit: UnpackLimit;
  /** Called with the bytes that have been read of a file. */
  readonly report?: (current: number) => void;
}

export interface LayerInfo {
  readonly diffId: string;
  /** Sum of the sizes of the layer's files in bytes, as `docker images` counts. */
  readonly size: number;
  /** Length of the layer's tar in bytes. */
  readonly tarSize: number;
}

export interface Usage {
  readonly bytes: number;
  readonly inodes: number;
}

/** `A`dded, `C`hanged or `D`eleted, with the absolute path inside the root. */
export interface Change {
  readonly kind: 'A' | 'C' | 'D';
  readonly path: string;
}

/** Arguments of one mount. `options` are strings as for mount(8); kernel/mount.ts makes flags of them. */
export interface MountSpec {
  readonly type: string;
  readonly source: string;
  /** Relative to the root that is being assembled; empty for the root itself. */
  readonly target: string;
  readonly options: readonly string[];
}
