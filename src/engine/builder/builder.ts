import type { ContainerConfig, HostConfig } from '../containers/model.ts';
import type { RegistryAuth } from '../images/images.ts';

/**
 * Builds images of Dockerfiles. A Dockerfile is split into *statements* (dockerfile/parse.ts) and *stages*
 * (dockerfile/stages.ts); stages that the target does not need are not built. Each statement of a stage is a *step*:
 * it makes an image without a name of the image before it, so a step that was done before, on the same image with the
 * same inputs, is found again by its *key* and not repeated.
 *
 * Example: `await builder.build({ context, dockerfile: 'Dockerfile', tags: ['app:1'], … }, report)`.
 */
export interface Builder {
  /** Returns the image's id. Throws `invalid` for a Dockerfile or a step that fails. */
  build(request: BuildRequest, report: (event: BuildEvent) => void): Promise<string>;
  /** Fetches a context from an http or https address: a tar, or a Dockerfile alone. */
  remoteContext(address: string, signal: AbortSignal): Promise<RemoteContext>;
}

export interface RemoteContext {
  readonly context: ReadableStream<Uint8Array>;
  /** Name of the Dockerfile when there is nothing else; empty: as the request says. */
  readonly dockerfile: string;
}

export interface BuildRequest {
  /** The context as a tar, plain or compressed. */
  readonly context: ReadableStream<Uint8Array>;
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
  /** References with or without tags. */
  readonly tags: readonly string[];
  readonly target: string;
  /** `--build-arg`: null takes the value that a client has none for. */
  readonly args: Readonly<Record<string, string | null>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly noCache: boolean;
  /** Images whose steps alone may be taken again; empty: any. */
  readonly cacheFrom: readonly string[];
  /** Ask the registry for newer base images. */
  readonly pull: boolean;
  /** `os/arch[/variant]` or empty. */
  readonly platform: string;
  /** What the containers of RUN are made with; command, environment and the like are filled in. */
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly auth: (host: string) => RegistryAuth | undefined;
  readonly signal: AbortSignal;
}

export type BuildEvent =
  | { readonly kind: 'step'; readonly number: number; readonly total: number; readonly text: string }
  | { readonly kind: 'cached' }
  | { readonly kind: 'running'; readonly container: string }
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }
  | { readonly kind: 'removed'; readonly container: string }
  | { readonly kind: 'pull'; readonly text: string }
  /** A step is done; the last one's is the image's id. */
  | { readonly kind: 'made'; readonly id: string }
  | { readonly kind: 'warning'; readonly text: string };
