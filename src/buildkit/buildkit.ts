import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../base/log.ts';
import type { BuildCache } from '../engine/builder/build-cache.ts';
import type { Builder, BuildRequest } from '../engine/builder/builder.ts';
import type { CacheImages } from '../engine/builder/cache-images.ts';
import type { DockerfileChecks } from '../engine/builder/checks.ts';
import type { KeptContexts } from '../engine/builder/context/kept-contexts.ts';
import type { RootFiles } from '../engine/builder/root-files.ts';
import type { ImageService } from '../engine/images/images.ts';

/**
 * BuildKit's own protocol over the engine's builder, for `docker buildx`, `docker build` and `docker compose build`.
 *
 * A client opens two connections, both HTTP/2 after `Upgrade: h2c`. On the first (`/grpc`) it calls us: `Solve` starts a
 * *build* by a reference of the client's, `Status` streams what happens in it, and a client that drives the build from
 * outside calls the *gateway* in between. On the second (`/session`) we call the client: a *session* gives the
 * context's files, secrets, ssh agents and credentials, and takes what a build exports to the client's side.
 *
 * What is built is our own Dockerfile language whatever `# syntax=` says; a graph of BuildKit's low-level operations
 * is refused.
 */
export interface BuildKit {
  /** Serves gRPC on a connection. */
  serve(socket: Socket): void;
  /** Throws for headers that name no new session; before `join`. */
  checkSession(headers: IncomingHttpHeaders): void;
  /** Takes a connection whose other side serves the session that `headers` describe. */
  join(headers: IncomingHttpHeaders, socket: Socket): void;
  /**
   * A build whose files come from a session and whose progress goes into the answer of the classic API, as clients of
   * Docker 20.10 ask for it. `trace` is given StatusResponse messages. Returns the image's id.
   */
  build(request: SessionBuild, trace: (status: Uint8Array) => void, signal: AbortSignal): Promise<string>;
  close(): void;
}

export interface SessionBuild {
  readonly ref: string;
  readonly session: string;
  /** As a Dockerfile frontend takes them. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly exporters: ReadonlyArray<{
    readonly type: string;
    readonly attrs: Readonly<Record<string, string>>;
  }>;
}

export interface BuildKitParts {
  readonly builder: Builder;
  readonly kept: KeptContexts;
  readonly cache: BuildCache;
  readonly checks: Pick<DockerfileChecks, 'check'>;
  readonly images: Pick<ImageService, 'list' | 'find' | 'tag' | 'pull' | 'push' | 'remove' | 'saveAs'>;
  /** Files of an image as a tar, whose names have no slash before them. */
  readonly rootFiles: Pick<RootFiles, 'tar'>;
  readonly cacheImages: Pick<CacheImages, 'pack' | 'inline' | 'ofLayers' | 'takeIn'>;
  /** What containers of steps have when nobody says otherwise. */
  readonly defaults: () => Pick<BuildRequest, 'config' | 'hostConfig'>;
  /** Where in a Dockerfile an error of a build comes from. */
  readonly sourceOf: (error: unknown) => ErrorSource | undefined;
  /** Directory of our own for sockets; it exists. */
  readonly directory: string;
  readonly version: string;
  readonly storageDriver: string;
  readonly log: Logger;
}

/** An error's place. */
export interface ErrorSource {
  /** The error's message without the excerpt. */
  readonly message: string;
  /** Of the Dockerfile. */
  readonly path: string;
  readonly text: string;
  /** Lines, from 1. */
  readonly first: number;
  readonly last: number;
}
