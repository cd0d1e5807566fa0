import type { ContentStore } from '../content/content.ts';
import type { Descriptor, Platform } from '../oci/descriptor.ts';
import type { ImageConfigFile } from '../oci/image-config.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import type { Reference } from '../oci/reference.ts';
import type { HostCertificates } from './host-certificates.ts';
import type { ProxyChoice } from './proxies.ts';

/**
 * Talking to registries (OCI distribution-spec, which is Docker's Registry API v2).
 *
 * Terms: an *endpoint* is one base URL that may serve a domain (`docker.io` is served by registry-1.docker.io
 * and by its mirrors; an insecure registry by https and then http). A *session* is one endpoint with one user's
 * credentials; it adds authorization, follows redirects and repeats what may be repeated. A *fetch* brings one
 * image's blobs into the content store.
 *
 * Example: `const image = await client.fetchImage(parseReference('nginx'), options, content)` resolves when the
 * manifest and the config are in the store; the layers still come in, three at a time. `await
 * image.layers[0].ready` waits for the lowest one, whose file can then be unpacked while the next are under
 * way. When one fails, every `ready` that has not resolved rejects with that error; the bytes that came stay in
 * the store's ingests and the next fetch asks only for the rest.
 */
export interface ImageFetcher {
  fetchImage(ref: Reference, options: FetchOptions, content: ContentStore): Promise<FetchedImage>;
}

/**
 * Sending images. A *push* is one repository, opened for writing. Example: `const push = await
 * client.openPush(ref, options)`; then, all at once, `await push.blob(layer)` for each layer (five are sent at a
 * time, the others wait); then the config's blob; and when the registry has them all `await push.manifest('latest',
 * mediaType, bytes)`. A blob that the registry has, here or in another of its repositories that is known to have it, is
 * not sent. A cut upload goes on where the registry says that it ends.
 */
export interface ImagePusher {
  /** Finds the registry and checks that it answers. Throws `unavailable`, `timeout`, `unauthorized` or `cancelled`. */
  openPush(ref: Reference, options: RegistryOptions): Promise<RepositoryPush>;
}

export interface RepositoryPush {
  /** Brings one blob into the repository, whatever that takes. Throws `unauthorized`, `forbidden` or as openPush. */
  blob(source: BlobSource): Promise<PushedBlob>;
  /** Stores a manifest under a tag or its digest. Throws `not-found` when a blob that it names is missing. */
  manifest(selector: string, mediaType: string, bytes: Uint8Array): Promise<void>;
}

/** A blob to send. Blobs with the same key are sent once to a repository, however many pushes want them. */
export interface BlobSource {
  readonly key: string;
  /** What the blob may be already, best first; asked when the push begins. Empty: it has to be made. */
  readonly known: () => readonly Descriptor[];
  /** Repository paths at the same registry that may have a blob, best first. */
  readonly mountFrom: (digest: string) => readonly string[];
  /** Begins to read it; again after a cut, and then the bytes are the same. */
  readonly open: () => BlobBody;
  readonly report: (event: BlobEvent) => void;
}

export interface BlobBody {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Size and digest when they are known before the bytes. */
  readonly descriptor?: Descriptor;
  /** After the last byte. */
  readonly described: Promise<Descriptor>;
  /** For progress: how far the reading is and where it ends, in bytes of whatever is read. */
  readonly progress: () => { readonly current: number; readonly total: number };
}

export type BlobEvent =
  | { readonly state: 'waiting' }
  | { readonly state: 'pushing'; readonly current: number; readonly total: number };

export interface PushedBlob {
  readonly descriptor: Descriptor;
  /** `mounted` comes with the repository path it was mounted from. */
  readonly how: 'sent' | 'mounted' | 'there';
  readonly from?: string;
}

/** Looking at what a registry has. */
export interface RegistryReader {
  /** All tags of a repository, in the registry's order. Throws `not-found`. */
  listTags(ref: Reference, options: RegistryOptions): Promise<string[]>;
  /** What a reference names, with the bytes of its manifest or index, without fetching an image. */
  inspect(ref: Reference, options: RegistryOptions): Promise<InspectedReference>;
}

export interface RegistryOptions {
  readonly auth?: RegistryCredentials;
  readonly signal: AbortSignal;
}

export interface InspectedReference {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** Of an index its entries' platforms, of an image its config's. */
  readonly platforms: readonly Platform[];
}

/** What the API's `X-Registry-Auth` header holds. */
export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  /** A refresh token that stands for user and password. */
  readonly identityToken?: string;
  /** A bearer token that is sent as it is. */
  readonly registryToken?: string;
}

export interface FetchOptions {
  /** Default: the host's. */
  readonly platform?: Platform;
  readonly auth?: RegistryCredentials;
  readonly report: (event: FetchEvent) => void;
  /** Ends the fetch; everything rejects with `cancelled`. */
  readonly signal: AbortSignal;
  /** True for a layer whose tree is there already: it is not downloaded. `index` counts from the lowest. */
  readonly skipLayer?: (diffId: string, index: number, diffIds: readonly string[]) => boolean;
  /** Asked when the download of a layer begins at its first byte; `size`: of the blob in bytes. */
  readonly tapFor?: (diffId: string, size: number) => BlobTap | undefined;
  /** True for an image (by its config's digest) that the caller has: nothing is reported of its layers then. */
  readonly hasImage?: (id: string) => boolean;
  /** Called with each blob's digest before the blob can appear in the store, so that a lease can hold it. */
  readonly hold?: (digest: string) => void;
}

/** A line of Docker's pull progress: `id` is a tag or a layer's 12 digits; `current` and `total` are bytes. */
export interface FetchEvent {
  readonly id?: string;
  readonly status?: string;
  readonly current?: number;
  readonly total?: number;
}

/**
 * Looks on while a blob comes in, for whoever wants to work on it before it is whole. It gets the bytes from the
 * first to the last, also over cuts, then `end`.
 */
export interface BlobTap {
  /** Resolves when more may come: the download waits for it. Never rejects. */
  write(chunk: Uint8Array): Promise<void>;
  /** `whole`: all bytes came; else the download failed or begins anew, and nothing more is told. May come twice. */
  end(whole: boolean): void;
}

export interface FetchedImage {
  /** Digest of what the reference named: an index's or a manifest's. This is what `RepoDigests` shows. */
  readonly digest: string;
  /** Digest of the manifest for the platform; equal to `digest` if there was no index. */
  readonly manifestDigest: string;
  readonly manifestBytes: Uint8Array;
  readonly manifest: ImageManifest;
  /** Every manifest and index from the named one down to the platform's, all in the store. */
  readonly documents: readonly Descriptor[];
  readonly configBytes: Uint8Array;
  readonly config: ImageConfigFile;
  /** Lowest first. */
  readonly layers: readonly FetchedLayer[];
  /** Resolves when all layers are ready; rejects with the first error. Nothing runs on after it has settled. */
  readonly done: Promise<void>;
}

export interface FetchedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  /** True when `skipLayer` said so: its blob may not be in the store. */
  readonly skipped: boolean;
  /** Resolves when the blob is in the store, checked. A rejection that nobody awaits is no unhandled one. */
  readonly ready: Promise<void>;
}

export interface RegistryClientConfig {
  /** `host`, `host:port` or CIDR; 127.0.0.0/8 and ::1/128 are always in. Tried by https unverified, then http. */
  readonly insecureRegistries?: readonly string[];
  /** Base URLs that are asked before Docker Hub, in order. */
  readonly mirrors?: readonly string[];
  /**
   * Base URLs that are asked before the registry of a domain, `*` for every domain that is not named. They get
   * the parameter `ns=DOMAIN`, so that one cache can serve several upstreams (as containerd's mirrors).
   */
  readonly mirrorsOf?: Readonly<Record<string, readonly string[]>>;
  /** Downloads at once, over all fetches. Default 3, as Docker's `max-concurrent-downloads`. */
  readonly maxConcurrentDownloads?: number;
  /** Uploads at once, over all pushes. Default 5, as Docker's `max-concurrent-uploads`. */
  readonly maxConcurrentUploads?: number;
  /** Tries for each blob or manifest. Default 5, as Docker's `max-download-attempts`. */
  readonly maxAttempts?: number;
  /** Wait before the first repetition, doubled each time. Default 500 ms. */
  readonly retryDelayMs?: number;
  /** Until the first answer of an endpoint. Default 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Longest silence of a server during a request. Default 60,000 ms. */
  readonly idleTimeoutMs?: number;
  /** Private authorities and client certificates for a `host[:port]`; asked anew for each fetch. */
  readonly certificatesFor?: (host: string) => HostCertificates;
  /** The proxy for a URL. Default: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say. */
  readonly proxyFor?: ProxyChoice;
  /** Sent as `User-Agent`. */
  readonly userAgent?: string;
}
