import type { Platform } from '../../oci/descriptor.ts';
import type { ImageConfigFile } from '../../oci/image-config.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { ImageDiskUse } from './disk-use.ts';
import type { ImageTarget } from './image-manifests.ts';
import type { ImageUser } from './image-remover.ts';

/**
 * The image store. `ref` is a reference (`nginx`, `host:5000/a/b:tag`, `name@sha256:…`), an image id
 * (`sha256:…`) or a unique prefix of its hex digits. Unknown: `not-found` with `No such image: REF`.
 */
export interface ImageService {
  /** With `platform`: throws `not-found`, in Docker's words, when the image is for another one. */
  get(ref: string, platform?: Platform): Image;
  /** Like get, undefined if unknown. */
  find(ref: string): Image | undefined;
  list(): Image[];
  /** Its manifest, or index with what of it is here. */
  target(image: Image): Promise<ImageTarget>;
  /** The containers that were made from an image. */
  usersOf(imageId: string): readonly ImageUser[];
  tag(ref: string, target: string): Promise<void>;
  /**
   * Untags, and deletes the image when it was the last name and nothing uses it; without `noPrune` its nameless
   * parents too. Throws `conflict` with Docker's words when a container or a child image needs it. Returns what was
   * done in order; layers by their chain ids.
   */
  remove(ref: string, options: { force: boolean; noPrune: boolean }): Promise<ImageRemoval[]>;
  /**
   * Removes the images without a tag (with `all` also those with tags) that no container uses and `matches`
   * accepts. Returns what was done and the bytes of layers that went.
   */
  prune(
    all: boolean,
    matches: (image: Image) => boolean,
  ): Promise<{ removed: ImageRemoval[]; reclaimed: number }>;
  /** Pulls from a registry; progress goes to `report`. Returns the image. */
  pull(reference: string, options: PullOptions): Promise<Image>;
  /** Pulls every tag of a repository; `reference` has neither tag nor digest. */
  pullAll(reference: string, options: PullOptions): Promise<void>;
  /**
   * Pushes a tag, or without one all tags of the repository; progress goes to `report`. A pulled image keeps its
   * manifest's digest as long as its blobs are here.
   */
  push(reference: string, options: PushOptions): Promise<void>;
  /**
   * Reads a docker-archive or OCI-layout tar, plain or compressed. Returns names or ids, as Docker prints them.
   * Throws `corrupt`, or `not-found` when none of its images is for one of the platforms.
   */
  load(tar: ReadableStream<Uint8Array>, options: LoadOptions): Promise<string[]>;
  /**
   * Writes a tar that is docker-archive and OCI layout. Throws `not-found`, also when an image is for another
   * platform. Until the stream has ended or was cancelled, nothing that it needs goes away.
   */
  save(refs: readonly string[], platform?: Platform): Promise<ReadableStream<Uint8Array>>;
  /** The same for one image, with these names in place of those that it has here. */
  saveAs(ref: string, names: readonly string[]): Promise<ReadableStream<Uint8Array>>;
  /** Makes an image of one root file system tar, plain or compressed. Returns its id. */
  importTar(source: ImportSource, options: ImportOptions): Promise<string>;
  /**
   * Makes an image of a base's layers plus one more layer tar (or none) and a config without `rootfs`, for
   * commit and builds.
   */
  createImage(request: CreateImage): Promise<Image>;
  /** Runs `body` with all layers that it stores or asks for held until it ends: for builds. */
  work<T>(body: (work: ImageWork) => Promise<T>): Promise<T>;
  /** Removes layers and blobs that nobody needs any more. Returns the diff ids that went. */
  collect(): Promise<string[]>;
  /** Sum of the sizes of all layers that any image uses, each once, in bytes. */
  layersSize(): number;
  /** What layers and their compressed forms take on the disk. */
  diskUse(): Promise<ImageDiskUse>;
  /** Bytes of one layer's files; 0 when it is not here. */
  layerSize(diffId: string): number;
}

/** What a build makes images with. */
export interface ImageWork {
  readonly layers: Pick<Snapshotter, 'applyLayer' | 'hasLayer'>;
  /** Makes an image whose layers are all here; one that is there already is given again. */
  assemble(config: ImageConfigFile, parent: string): Promise<Image>;
}

export interface Image {
  /** `sha256:…`, the digest of the config file. */
  readonly id: string;
  readonly config: ImageConfigFile;
  /** Familiar references with tags, e.g. `nginx:latest`. */
  readonly repoTags: readonly string[];
  /** `name@sha256:…` of the manifests it was pulled as or pushed to. */
  readonly repoDigests: readonly string[];
  /** Sum of its layers' sizes in bytes. */
  readonly size: number;
  /** Milliseconds since the epoch; from the config. */
  readonly createdAt: number;
  /** Id of the image it was committed or built from here; empty otherwise. */
  readonly parent: string;
  /** Milliseconds since the epoch; when it got its last tag here; 0 never. */
  readonly lastTagged: number;
}

export type ImageRemoval = { readonly untagged: string } | { readonly deleted: string };

export interface PullOptions {
  readonly platform?: string;
  readonly auth?: RegistryAuth;
  readonly report: (event: ProgressEvent) => void;
  readonly signal: AbortSignal;
}

export interface PushOptions {
  /** The image must be for it; of an index only its manifest is pushed. */
  readonly platform?: Platform;
  readonly auth?: RegistryAuth;
  readonly report: (event: ProgressEvent) => void;
  readonly signal: AbortSignal;
}

export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
  readonly serverAddress?: string;
}

/** One line of Docker's JSON progress, in our names; the API writes `id`, `status`, `progressDetail`, `stream`, `aux`. */
export interface ProgressEvent {
  readonly id?: string;
  readonly status?: string;
  readonly current?: number;
  readonly total?: number;
  readonly stream?: string;
  /** What a program wants to know, as Docker's clients read it. */
  readonly aux?: unknown;
}

export interface LoadOptions {
  readonly report: (event: ProgressEvent) => void;
  /** Only images for one of these; empty: all, and of an index the one for this machine. */
  readonly platforms?: readonly Platform[];
}

/** A tar, or where to download one. */
export type ImportSource =
  | ReadableStream<Uint8Array>
  | {
      readonly address: string;
      readonly report: (event: ProgressEvent) => void;
      readonly signal: AbortSignal;
    };

export interface ImportOptions {
  /** `repo[:tag]` or empty. */
  readonly reference: string;
  readonly message: string;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  readonly platform?: string;
}

export interface CreateImage {
  /** Image id or undefined for scratch. */
  readonly base: string | undefined;
  readonly layer: ReadableStream<Uint8Array> | undefined;
  readonly config: Omit<ImageConfigFile, 'rootfs' | 'history'>;
  readonly history: { readonly createdBy: string; readonly author: string; readonly comment: string };
  readonly reference: string | undefined;
}
