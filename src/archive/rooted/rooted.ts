import type { IdRange } from '../../kernel/user-namespace.ts';

/**
 * Files of a root that somebody else may be changing at the same time: a container's.
 *
 * - A *root* is the directory that paths begin at. Links and `..` are resolved inside it, whatever the container
 *   swaps meanwhile: every path goes through openat2(2) with RESOLVE_IN_ROOT from a descriptor of the root.
 * - A `living` root is what a process sees as `/`, with all that is mounted there. A `mounted` root is put together
 *   in a mount namespace that nothing but a descriptor holds: it vanishes with this process, however that ends.
 *
 * All of it blocks, so it happens in a Worker. Example: `const tree = await trees.open(root)`, then
 * `await tree.stat('/etc/hosts')`, or `const { tar } = await tree.pack('/etc')`, or `await tree.unpack(…)`; last of
 * all `await tree.close()`.
 */
export interface RootedTrees {
  /** Throws `not-found` when a living root has ended. */
  open(root: RootSource): Promise<RootedTree>;
  /** Ends idle threads. */
  close(): void;
}

/** One open root. One call at a time. */
export interface RootedTree {
  /** A path of the root for this process alone, to be used with openat2(2) only; ends with `close`. */
  readonly place: string;
  /** What is at a path: of a link itself, unless a slash follows it. Throws `not-found`, `invalid`. */
  stat(path: string): Promise<PathStatus>;
  /**
   * Chooses where `unpack` writes and returns that directory's true path; links are followed. Throws `not-found`, and
   * `invalid` with Docker's words for what is no directory.
   */
  enter(path: string): Promise<string>;
  /**
   * A path as a tar: a directory with all that is in it, under the path's last component. The stream holds the root:
   * it is done when that is.
   */
  pack(path: string): Promise<{ readonly status: PathStatus; readonly tar: ReadableStream<Uint8Array> }>;
  /**
   * Unpacks a tar, plain or compressed, into the directory that was entered. Throws `invalid` with Docker's words for
   * members that lead out, `corrupt` for a damaged archive, `exhausted`; what came before stays.
   */
  unpack(tar: ReadableStream<Uint8Array>, options: UnpackOptions): Promise<void>;
  /** Lets go of the root. Idempotent. */
  close(): Promise<void>;
}

export type RootSource = LivingRoot | MountedRoot;

export interface LivingRoot {
  readonly kind: 'living';
  readonly pid: number;
  /** Must be in the name of the process's cgroup: a pid may have become another process's. */
  readonly cgroup: string;
  /** Mount points whose contents belong to the tree; those below any other but `/` do not. */
  readonly mountPoints: readonly string[];
  /** Maps of its user namespace: owners in tars are those inside. undefined: as the host has them. */
  readonly ids?: { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] } | undefined;
}

export interface MountedRoot {
  readonly kind: 'mounted';
  /** An empty directory to mount at. Several may use the same at once. */
  readonly at: string;
  /** Arguments of mount(2) for the root itself. */
  readonly mounts: readonly {
    readonly type: string;
    readonly source: string;
    readonly options: readonly string[];
  }[];
  /** What is bound below it, in this order; a missing target is made. */
  readonly binds: readonly {
    readonly source: string;
    readonly destination: string;
    readonly readOnly: boolean;
    readonly recursive: boolean;
  }[];
}

/** What lstat(2) tells, as Docker's API needs it. */
export interface PathStatus {
  /** Last component of the path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Type and permissions, inode(7). */
  readonly mode: number;
  /** Since the epoch. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** For a link: the path that it leads to in the end; else empty. */
  readonly linkTarget: string;
}

export interface UnpackOptions {
  /** Refuse to put something else in a directory's place, and a directory in something else's. */
  readonly keepKinds: boolean;
  /** Owner of all that is unpacked; undefined: what the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}
