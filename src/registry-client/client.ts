import { isKind, TareError } from '../base/errors.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { ContentStore } from '../content/content.ts';
import { isDigest, parseDigest } from '../oci/digest.ts';
import { runnableLayers } from '../oci/manifest.ts';
import { IMAGE_CONFIG_LIMIT, parseImageConfig } from '../oci/parse-image-config.ts';
import { hostPlatform } from '../oci/platform.ts';
import { manifestSelector, type Reference, withDefaultTag } from '../oci/reference.ts';
import { originsOf, registryOf } from './endpoints.ts';
import { type BlobSources, type DownloadSlots, fetchBlob, startLayers } from './fetch-layers.ts';
import { inspectReference } from './inspect.ts';
import { listTags } from './list-tags.ts';
import { checkLogin, domainOfServer } from './login.ts';
import type {
  FetchedImage,
  FetchOptions,
  ImageFetcher,
  ImagePusher,
  InspectedReference,
  RegistryClientConfig,
  RegistryCredentials,
  RegistryOptions,
  RegistryReader,
  RepositoryPush,
} from './registry-client.ts';
import { OpenPush, type UploadSlots } from './repository-push.ts';
import { type ResolvedImage, resolveImage } from './resolve.ts';
import { type SearchOptions, type SearchResult, searchRepositories } from './search.ts';
import type { RegistrySession } from './session.ts';
import { Sessions } from './sessions.ts';
import { type Settings, settingsOf } from './settings.ts';
import { SingleFlight } from './single-flight.ts';

/** The client of all registries; one in a daemon, so that downloads, tokens and connections are shared. */
export class RegistryClient implements ImageFetcher, ImagePusher, RegistryReader {
  #settings: Settings;
  #sessions: Sessions;
  #shared: DownloadSlots;
  #uploads: UploadSlots;

  constructor(config: RegistryClientConfig = {}) {
    this.#settings = settingsOf(config);
    this.#sessions = new Sessions(this.#settings);
    this.#shared = {
      slots: new Semaphore(this.#settings.maxConcurrentDownloads),
      flights: new SingleFlight(),
    };
    this.#uploads = {
      slots: new Semaphore(this.#settings.maxConcurrentUploads),
      flights: new SingleFlight(),
      totals: new Map(),
    };
  }

  /** Takes another configuration for fetches and pushes that start from now on (SIGHUP). */
  configure(config: RegistryClientConfig): void {
    this.#settings = settingsOf(config);
    this.#sessions = new Sessions(this.#settings);
    const slots = new Semaphore(this.#settings.maxConcurrentDownloads);
    this.#shared = { slots, flights: this.#shared.flights };
    const uploadSlots = new Semaphore(this.#settings.maxConcurrentUploads);
    this.#uploads = { ...this.#uploads, slots: uploadSlots };
  }

  /**
   * Fetches one platform of an image; see ImageFetcher for how its layers come. Throws `not-found`,
   * `unauthorized`, `unavailable`, `timeout`, `corrupt`, `invalid` or `cancelled` in Docker's words.
   */
  async fetchImage(given: Reference, options: FetchOptions, content: ContentStore): Promise<FetchedImage> {
    const ref = withDefaultTag(given);
    const sessions = this.#sessions;
    const platform = options.platform ?? hostPlatform();
    const settings = this.#settings;
    const {
      session,
      mirror,
      result: resolved,
    } = await this.#firstOf(ref, options, (opened) =>
      resolveImage(opened, ref, platform, content, options.signal),
    );
    const upstream = async (signal: AbortSignal) =>
      sessions.open(await registryOf(ref.domain, settings), options.auth ?? {}, signal);
    const fallback = mirror ? [upstream] : [];
    options.report({ id: manifestSelector(ref), status: `Pulling from ${ref.path}` });
    try {
      return await this.#fetchBlobs([async () => session, ...fallback], ref, resolved, options, content);
    } catch (error) {
      if (isKind(error, 'unavailable', 'timeout')) sessions.forget(session);
      throw error;
    }
  }

  /**
   * Checks credentials for the registry of a server's address (`host:5000`, `https://index.docker.io/v1/`; empty:
   * Docker Hub). Resolves with an identity token, empty if the registry gives none. Throws `unauthorized`,
   * `unavailable`, `timeout` or `invalid` in Docker's words.
   */
  async checkLogin(
    server: string,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ): Promise<{ identityToken: string }> {
    return checkLogin(domainOfServer(server), credentials, this.#settings, signal);
  }

  /** Searches Docker Hub, or the registry that `term` begins with, for repositories. */
  async search(term: string, options: SearchOptions): Promise<SearchResult[]> {
    return searchRepositories(term, options, this.#settings);
  }

  async listTags(ref: Reference, options: RegistryOptions): Promise<string[]> {
    return (await this.#firstOf(ref, options, (session) => listTags(session, ref, options.signal))).result;
  }

  async inspect(ref: Reference, options: RegistryOptions): Promise<InspectedReference> {
    const ask = (session: RegistrySession) => inspectReference(session, ref, options.signal);
    return (await this.#firstOf(ref, options, ask)).result;
  }

  async openPush(ref: Reference, { auth = {}, signal }: RegistryOptions): Promise<RepositoryPush> {
    // Mirrors are for reading.
    const session = await this.#sessions.open(await registryOf(ref.domain, this.#settings), auth, signal);
    return new OpenPush(session, ref, this.#uploads, signal);
  }

  /** Asks the mirrors, then the registry. What a mirror does not have or cannot do is no error. */
  async #firstOf<T>(
    ref: Reference,
    options: RegistryOptions,
    ask: (session: RegistrySession) => Promise<T>,
  ): Promise<{ session: RegistrySession; mirror: boolean; result: T }> {
    const sessions = this.#sessions;
    for (const origin of await originsOf(ref.domain, this.#settings)) {
      let session: RegistrySession | undefined;
      try {
        // The user's credentials are for the registry, never for a mirror of it.
        session = await sessions.open(origin, origin.mirror ? {} : (options.auth ?? {}), options.signal);
        return { session, mirror: origin.mirror, result: await ask(session) };
      } catch (error) {
        if (session !== undefined && isKind(error, 'unavailable', 'timeout')) sessions.forget(session);
        if (!origin.mirror || isKind(error, 'cancelled')) throw error;
      }
    }
    throw new TareError('internal', `no registry is known for ${ref.domain}`);
  }

  async #fetchBlobs(
    sources: BlobSources,
    ref: Reference,
    resolved: ResolvedImage,
    options: FetchOptions,
    content: ContentStore,
  ): Promise<FetchedImage> {
    const { manifest, digest, manifestDigest, manifestBytes } = resolved;
    const layers = runnableLayers(manifest);
    if (manifest.config.size > IMAGE_CONFIG_LIMIT) {
      throw new TareError(
        'corrupt',
        `image config ${manifest.config.digest} is larger than ${IMAGE_CONFIG_LIMIT} bytes`,
      );
    }
    const { signal, hold } = options;
    await fetchBlob(sources, ref, manifest.config, content, this.#shared, { signal, hold });
    const configBytes = await content.read(manifest.config.digest, IMAGE_CONFIG_LIMIT);
    const config = parseImageConfig(configBytes);
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== layers.length) {
      throw new TareError(
        'corrupt',
        `invalid image: ${layers.length} layers, but ${diffIds.length} diff IDs`,
      );
    }
    for (const document of resolved.documents) await store(document, content, hold);
    const documents = resolved.documents.map((document) => document.descriptor);
    // As dockerd, which does not look at the layers of an image that it has.
    const known = options.hasImage?.(manifest.config.digest) ?? false;
    const told = known ? { ...options, report: () => {} } : options;
    const started = startLayers(sources, ref, layers, diffIds, told, content, this.#shared);
    return { digest, manifestDigest, manifestBytes, manifest, documents, configBytes, config, ...started };
  }
}

/** Stores a manifest under the digest it was named by, whatever its algorithm. */
async function store(
  document: ResolvedImage['documents'][number],
  content: ContentStore,
  hold: FetchOptions['hold'],
): Promise<void> {
  const { digest, size, mediaType } = document.descriptor;
  hold?.(digest);
  if (content.size(digest) !== undefined) return;
  if (!isDigest(digest) || parseDigest(digest).algorithm === 'sha256') {
    await content.put(mediaType, document.bytes);
    return;
  }
  const ingest = await content.ingest(`pull:${digest}`);
  try {
    await ingest.write(document.bytes);
    await ingest.commit({ digest, size, mediaType });
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}
