import type { ImageConfigFile } from '../../oci/image-config.ts';
import type { ContainerConfig, HostConfig } from '../containers/model.ts';
import type { RegistryAuth } from '../images/images.ts';
import type { Span } from './dockerfile/parse.ts';

/**
 * Builds images of Dockerfiles.
 *
 * A Dockerfile is compiled: statements (dockerfile/) become *stages*, and these a graph of *vertices*: an image that is
 * taken, a RUN, a COPY. What only changes the image's configuration is no vertex and costs nothing. Vertices that do not
 * need each other run side by side; stages that the target does not need are no part of the graph. What a vertex has
 * made is a layer, found again by the vertex's *key* (its inputs' layers and what it does).
 *
 * Example: `await builder.build({ context: { kind: 'tar', stream }, dockerfile: { path: 'Dockerfile' }, … }, report)`.
 */
export interface Builder {
  /** Throws `invalid` for a Dockerfile or a step that fails (`StepFailed` has the exit code), `cancelled`. */
  build(request: BuildRequest, report: (event: BuildEvent) => void): Promise<BuildResult>;
  /**
   * Fetches a context from an http or https address (a tar, or a Dockerfile alone), or a git repository. `dockerfile`:
   * its path, for the repository's ignore rules.
   */
  remoteContext(address: string, signal: AbortSignal, dockerfile?: string): Promise<RemoteContext>;
}

export interface RemoteContext {
  readonly context: ReadableStream<Uint8Array>;
  /** Name of the Dockerfile when there is nothing else; empty: as the request says. */
  readonly dockerfile: string;
}

/** Files that COPY, ADD and RUN --mount=type=bind take. */
export type BuildContext = TarContext | DirectoryContext;

/** Plain or compressed. The daemon applies what its `.dockerignore` says of the Dockerfile and of itself. */
export interface TarContext {
  readonly kind: 'tar';
  readonly stream: ReadableStream<Uint8Array>;
}

/** A directory on the daemon's host that somebody else keeps and that nobody changes while it is built from. */
export interface DirectoryContext {
  readonly kind: 'directory';
  /** Absolute. */
  readonly path: string;
  /**
   * Hex SHA-256 of a regular file's bytes, by its path below `path` without a slash before it, where that is known
   * already; undefined: the builder reads the file.
   */
  readonly digestOf?: (path: string) => string | undefined;
}

/** `--build-context NAME=docker-image://REFERENCE`. */
export interface ImageContext {
  readonly kind: 'image';
  readonly reference: string;
}

export interface BuildRequest {
  readonly context: BuildContext;
  /** `--build-context`: what FROM, COPY --from and mounts may name, before stages and images of that name. */
  readonly contexts: Readonly<Record<string, BuildContext | ImageContext>>;
  /** Path in the context, or the text itself with the name that messages call it. */
  readonly dockerfile: { readonly path: string } | { readonly text: string; readonly name: string };
  /** References with or without tags. */
  readonly tags: readonly string[];
  /** Name or number of a stage; empty: the last one. */
  readonly target: string;
  /** `--build-arg`: null takes the value that a client has none for. */
  readonly args: Readonly<Record<string, string | null>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Nothing is taken from the cache; a list: in these stages (`--no-cache-filter`). */
  readonly noCache: boolean | readonly string[];
  /** Images whose layers may be taken in place of steps, besides what was built here. */
  readonly cacheFrom: readonly string[];
  /** Ask the registry for newer base images. */
  readonly pull: boolean;
  /** `os/arch[/variant]` or empty. */
  readonly platform: string;
  /** What the containers of RUN are made with; command, environment and the like are filled in. */
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** Seconds since the epoch: the times of the image, its history and of the files that steps write. */
  readonly sourceDateEpoch: number | undefined;
  /** A secret's bytes for `RUN --mount=type=secret`; undefined: there is none of that id. Never stored. */
  readonly secrets: (id: string) => Promise<Uint8Array | undefined>;
  /** Path of an ssh agent's socket on this host for `RUN --mount=type=ssh`; undefined: there is none. */
  readonly ssh: (id: string) => Promise<string | undefined>;
  readonly auth: (host: string) => RegistryAuth | undefined | Promise<RegistryAuth | undefined>;
  readonly signal: AbortSignal;
}

export interface BuildResult {
  /** The image's id. */
  readonly id: string;
  /** The target's. */
  readonly config: ImageConfigFile;
  /** Diff ids, bottom first. */
  readonly layers: readonly string[];
  /** Keys of the build cache's records of its steps, of all stages. */
  readonly keys: readonly string[];
  /** Warnings about the Dockerfile, as they were reported. */
  readonly warnings: readonly BuildWarning[];
}

/** What happens, vertex by vertex. A vertex's id is in the form of a digest; later events of an id add to earlier ones. */
export type BuildEvent = PlanEvent | VertexEvent | LogEvent | StatusEvent | BuildWarning;

/** The Dockerfile's steps in its order, as far as they are needed. A later one replaces it. */
export interface PlanEvent {
  readonly kind: 'plan';
  readonly steps: readonly PlannedStep[];
}

export interface PlannedStep {
  /** As it stands in the Dockerfile. */
  readonly text: string;
  /** Undefined: it changes the configuration only, and is done when those before it are. */
  readonly vertex: string | undefined;
  /** It stands in the base image's ONBUILD and has no number. */
  readonly trigger: boolean;
}

export interface VertexEvent {
  readonly kind: 'vertex';
  readonly id: string;
  /** As BuildKit calls it: `[build 2/5] RUN make`, `[internal] load build context`. */
  readonly name: string;
  /** Ids of those that it needs. */
  readonly inputs: readonly string[];
  /** Milliseconds since the epoch. */
  readonly started?: number;
  readonly completed?: number;
  readonly cached?: boolean;
  readonly error?: string;
  /** Short id of the container that a RUN runs in. */
  readonly container?: string;
  /** Id of what it has made: an image's or a layer's. */
  readonly result?: string;
}

export interface LogEvent {
  readonly kind: 'log';
  readonly vertex: string;
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** How far a part of a vertex is: a layer of an image that is pulled, the context's bytes. */
export interface StatusEvent {
  readonly kind: 'status';
  readonly vertex: string;
  readonly id: string;
  /** `Downloading`, `Pull complete`. */
  readonly name: string;
  /** Bytes. */
  readonly current: number;
  /** 0: not known. */
  readonly total: number;
}

export interface BuildWarning {
  readonly kind: 'warning';
  readonly text: string;
  /** The rule of the linter that it comes from. */
  readonly rule?: string;
  readonly detail?: string;
  readonly url?: string;
  readonly span?: Span;
}
