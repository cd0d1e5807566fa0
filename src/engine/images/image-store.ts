import { isKind, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { streamOf } from '../../base/streams.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Platform } from '../../oci/descriptor.ts';
import { formatPlatform, matchesPlatform } from '../../oci/platform.ts';
import { familiarName, familiarString, parseReference } from '../../oci/reference.ts';
import type { ImageFetcher, ImagePusher, RegistryReader } from '../../registry-client/registry-client.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import { leasedContent, leasedLayers } from '../leases/leased-stores.ts';
import { type Lease, Leases, type UnfinishedRows } from '../leases/leases.ts';
import type { Fault, OnProgress } from './check.ts';
import { CompressedForms, type KeepCompressed } from './compressed-forms.ts';
import { DEFAULT_IMAGE_CHANGES, defaultImageTar, isDefaultImage } from './default-image.ts';
import { type ImageDiskUse, LayerDiskUse } from './disk-use.ts';
import { withFreedLayers } from './freed-layers.ts';
import { ImageCheck } from './image-check.ts';
import { ImageCollector } from './image-collector.ts';
import { ImageDistribution } from './image-distribution.ts';
import { ImageIndex, type ImageRows } from './image-index.ts';
import { ImageMaker, tagOf } from './image-maker.ts';
import { ImageManifests, type ImageTarget, platformOf } from './image-manifests.ts';
import { ImageRemover, type ImageUser, type RemovalStep } from './image-remover.ts';
import type {
  CreateImage,
  Image,
  ImageRemoval,
  ImageService,
  ImageWork,
  ImportOptions,
  ImportSource,
  LoadOptions,
  PullOptions,
  PushOptions,
} from './images.ts';
import { openImportSource } from './import-source.ts';
import type { LayerBlobs } from './layer-blobs.ts';
import { loadImages } from './load.ts';
import { plainManifest } from './plain-manifest.ts';
import { pullImage } from './pull.ts';
import { pullAllTags } from './pull-all.ts';
import { pushImage } from './push.ts';
import { planPush } from './push-plan.ts';
import { archiveOf, imagesToSave, type Saved } from './save.ts';

export interface ImageStoreOptions {
  readonly rows: ImageRows;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly layerBlobs: LayerBlobs;
  readonly unfinished: UnfinishedRows;
  readonly fetcher: ImageFetcher;
  readonly pusher: ImagePusher;
  readonly registry: RegistryReader;
  readonly events: EventBus;
  readonly usersOf: (imageId: string) => readonly ImageUser[];
  /** Where an image is mounted for looking inside; undefined when it is not. */
  readonly mountedAt: (imageId: string) => string | undefined;
  /** Diff ids that containers stand on. */
  readonly layersInUse: () => Iterable<string>;
  /** Bytes that a layer may unpack to (layer-limit.ts). */
  readonly layerLimit: () => number;
  /** Which compressed forms of layers stay beside them. */
  readonly keepCompressed: () => KeepCompressed;
  readonly log: Logger;
}

/** The embedded default as users name it. */
const DEFAULT_NAME = 'busybox:latest';

/** The image service: an index of rows over the content store and the snapshotter. */
export class ImageStore implements ImageService {
  readonly #options: ImageStoreOptions;
  readonly #index: ImageIndex;
  readonly #remover: ImageRemover;
  readonly #collector: ImageCollector;
  readonly #leases: Leases;
  readonly #manifests: ImageManifests;
  readonly #diskUse: LayerDiskUse;
  readonly #forms: CompressedForms;

  constructor(options: ImageStoreOptions) {
    this.#options = options;
    this.#index = new ImageIndex(options.rows);
    this.#manifests = new ImageManifests(
      options.content,
      (id) => this.#index.find(id),
      (image) => plainManifest(image, this.#index.configText(image.id), options.snapshotter),
    );
    this.#remover = new ImageRemover({ ...options, index: this.#index });
    this.#diskUse = new LayerDiskUse(options.snapshotter, options.layerBlobs);
    this.#leases = new Leases(options.unfinished, async () => {
      await this.#collector.collect();
    });
    this.#collector = new ImageCollector({ ...options, index: this.#index, leases: this.#leases });
    this.#forms = new CompressedForms({ ...options, leases: this.#leases, policy: options.keepCompressed });
  }

  get(ref: string, platform?: Platform): Image {
    const image = this.#index.get(ref);
    if (platform !== undefined) checkPlatform(image, ref, platform);
    return image;
  }

  target(image: Image): Promise<ImageTarget> {
    return this.#manifests.targetOf(image);
  }

  /** The images as a registry serves them. */
  distribution(): ImageDistribution {
    const { content, layerBlobs } = this.#options;
    const parts = { content, layerBlobs, index: this.#index };
    return new ImageDistribution({
      list: () => this.list(),
      plan: (image, repository) => planPush(image, { repository }, parts),
      content,
      layerBlobs,
      now: Date.now,
    });
  }

  usersOf(imageId: string): readonly ImageUser[] {
    return this.#options.usersOf(imageId);
  }

  find(ref: string): Image | undefined {
    return this.#index.find(ref);
  }

  list(): Image[] {
    return this.#index.list();
  }

  async tag(ref: string, target: string): Promise<void> {
    const image = this.get(ref);
    this.#index.tag(image.id, tagOf(target));
    this.#emit('tag', image.id, familiarString(parseReference(target)));
  }

  async remove(ref: string, options: { force: boolean; noPrune: boolean }): Promise<ImageRemoval[]> {
    return this.#collected(this.#remover.remove(ref, options));
  }

  async prune(
    all: boolean,
    matches: (image: Image) => boolean,
  ): Promise<{ removed: ImageRemoval[]; reclaimed: number }> {
    const before = this.layersSize();
    this.#leases.forgetUnfinished();
    const removed = await this.#collected(this.#remover.prune(all, matches));
    const reclaimed = Math.max(0, before - this.layersSize());
    const attributes = { reclaimed: String(reclaimed) };
    this.#options.events.emit({ type: 'image', action: 'prune', id: '', attributes });
    return { removed, reclaimed };
  }

  async #collected(steps: readonly RemovalStep[]): Promise<ImageRemoval[]> {
    const layers = await this.#collector.collect();
    return withFreedLayers(steps, this.list(), new Set(layers));
  }

  pull(reference: string, options: PullOptions): Promise<Image> {
    const ref = parseReference(reference);
    return this.#bring(
      async (lease) => {
        const parts = this.#leased(lease);
        const image = await pullImage(ref, options, parts).catch((error) => {
          if (!isDefaultImage(ref) || !isKind(error, 'unavailable', 'timeout')) throw error;
          return this.#makeDefault(options, error, lease);
        });
        this.#emit('pull', reference, reference);
        return image;
      },
      { resumable: true },
    );
  }

  async pullAll(reference: string, options: PullOptions): Promise<void> {
    const ref = parseReference(reference);
    await this.#bring((lease) => pullAllTags(ref, options, this.#leased(lease)), { resumable: true });
    this.#emit('pull', familiarString(ref), familiarName(ref));
  }

  /** No registry can be reached: the embedded default stands in, and the progress says so. */
  async #makeDefault(options: PullOptions, error: Error, lease: Lease): Promise<Image> {
    options.report({ status: `No registry can be reached (${error.message})` });
    const known = this.find(DEFAULT_NAME);
    if (known) {
      options.report({ status: `Status: Image is up to date for ${DEFAULT_NAME}` });
      return known;
    }
    options.report({ status: `Making ${DEFAULT_NAME} from this machine's busybox-static instead` });
    const image = await new ImageMaker(this.#leased(lease)).import(await defaultImageTar(), {
      reference: DEFAULT_NAME,
      message: 'made from busybox-static',
      changes: DEFAULT_IMAGE_CHANGES,
    });
    options.report({ status: `Status: Made ${DEFAULT_NAME}` });
    return image;
  }

  async push(reference: string, options: PushOptions): Promise<void> {
    const ref = parseReference(reference);
    if (options.platform !== undefined) this.get(reference, options.platform);
    await this.#leases.hold((lease) =>
      pushImage(ref, options, { ...this.#leased(lease), hold: (...digests) => lease.hold(...digests) }),
    );
    this.#emit('push', familiarString(ref), familiarName(ref));
  }

  load(tar: ReadableStream<Uint8Array>, options: LoadOptions): Promise<string[]> {
    const { report, platforms = [] } = options;
    return this.#bring(async (lease) => {
      const names = await loadImages(tar, platforms, { ...this.#leased(lease), report });
      for (const name of names) this.#emit('load', this.find(name)?.id ?? name, name);
      return names;
    });
  }

  saveAs(ref: string, names: readonly string[]): Promise<ReadableStream<Uint8Array>> {
    return this.#archive([{ image: this.get(ref), tags: names.map(parseReference) }]);
  }

  #archive(images: readonly Saved[]): Promise<ReadableStream<Uint8Array>> {
    return this.#leases.holdWhile(async (lease) => {
      for (const { image } of images) {
        lease.hold(...image.config.rootfs.diff_ids, ...this.#index.blobsOf(image.id));
      }
      return streamOf(await archiveOf(images, this.#leased(lease)));
    });
  }

  async save(refs: readonly string[], platform?: Platform): Promise<ReadableStream<Uint8Array>> {
    const images = imagesToSave(refs, this.#index);
    for (const { image, tags } of images) {
      const name = tags[0] === undefined ? image.id : familiarString(tags[0]);
      if (platform !== undefined) checkPlatform(image, name, platform);
    }
    const stream = await this.#archive(images);
    // A name without a tag stands for all tags of a repository and may be no image's name itself.
    for (const ref of refs) this.#emit('save', this.find(ref)?.id ?? ref, ref);
    return stream;
  }

  importTar(source: ImportSource, options: ImportOptions): Promise<string> {
    return this.#leases.hold(async (lease) => {
      const tar = source instanceof ReadableStream ? source : await openImportSource(source.address, source);
      const { id } = await new ImageMaker(this.#leased(lease)).import(tar, options);
      if (options.reference) this.#emit('tag', id, options.reference);
      this.#emit('import', id, options.reference || id);
      return id;
    });
  }

  async createImage(request: CreateImage): Promise<Image> {
    const image = await this.#leases.hold((lease) => new ImageMaker(this.#leased(lease)).create(request));
    if (request.reference) this.#emit('tag', image.id, familiarString(parseReference(request.reference)));
    return image;
  }

  work<T>(body: (work: ImageWork) => Promise<T>): Promise<T> {
    return this.#leases.hold((lease) => {
      const leased = this.#leased(lease);
      const maker = new ImageMaker(leased);
      return body({
        layers: leased.snapshotter,
        assemble: async (config, parent) => {
          const image = await maker.assemble(config, parent);
          this.#emit('create', image.id, image.id);
          return image;
        },
      });
    });
  }

  collect(): Promise<string[]> {
    return this.#collector.collect();
  }

  layersSize(): number {
    return this.#options.snapshotter.listLayers().reduce((sum, { size }) => sum + size, 0);
  }

  diskUse(): Promise<ImageDiskUse> {
    return this.#diskUse.measure(this.list());
  }

  layerSize(diffId: string): number {
    return this.#options.snapshotter.layer(diffId)?.size ?? 0;
  }

  /** Checks images, blobs and layers, with what `containersOn` says of containers; see check.ts. */
  check(containersOn: (diffId: string) => readonly string[], onProgress: OnProgress): AsyncGenerator<Fault> {
    const parts = { index: this.#index, leases: this.#leases, collector: this.#collector, containersOn };
    return new ImageCheck({ ...this.#options, ...parts }).faults(onProgress);
  }

  /** Removes what a crash left half-made; also while others work. */
  async sweep(): Promise<void> {
    await this.#options.snapshotter.sweep();
    await this.#options.content.sweep();
    // A crash after the row and before the note was taken back.
    this.#leases.forgetUnfinished(
      (digest) => this.#collector.needsLayer(digest) || this.#collector.needsBlob(digest),
    );
    await this.#collector.collect();
    this.#tellMissing();
    this.#forms.reviewAll();
  }

  /** Rows whose layers are gone: nothing of ours leaves that behind, but disks do. */
  #tellMissing(): void {
    const { snapshotter, log } = this.#options;
    for (const { id, repoTags, config } of this.list()) {
      const missing = config.rootfs.diff_ids.filter((diffId) => !snapshotter.hasLayer(diffId));
      if (missing.length === 0) continue;
      log.warn('an image lacks layers and cannot be run: pull it again, or see "tare system check"', {
        image: repoTags[0] ?? id,
        layers: missing.join(' '),
      });
    }
  }

  /** The policy for compressed forms is another one now. */
  reviewForms(): void {
    this.#forms.reviewAll();
  }

  /** Waits for what goes on in the background. */
  close(): Promise<void> {
    return this.#forms.close();
  }

  /** Runs what brings images with compressed layers: the forms are looked at afterwards. */
  #bring<T>(body: (lease: Lease) => Promise<T>, options?: { resumable: boolean }): Promise<T> {
    return this.#leases.hold(async (lease) => {
      const result = await body(lease);
      this.#forms.review([...lease.held].filter((digest) => this.#options.snapshotter.hasLayer(digest)));
      return result;
    }, options);
  }

  /** What makes images, with everything that it touches held by `lease`. */
  #leased(lease: Lease) {
    const { content, snapshotter } = this.#options;
    return {
      ...this.#options,
      content: leasedContent(content, lease),
      snapshotter: leasedLayers(snapshotter, lease),
      index: this.#index,
    };
  }

  #emit(action: string, id: string, name: string): void {
    const labels = this.find(id)?.config.config?.Labels ?? {};
    this.#options.events.emit({ type: 'image', action, id, attributes: { ...labels, name } });
  }
}

/** Throws `not-found`, in Docker's words, when the image is for another platform. */
function checkPlatform(image: Image, name: string, platform: Platform): void {
  const own = platformOf(image);
  if (matchesPlatform(own, platform)) return;
  throw new TareError(
    'not-found',
    `image with reference ${name} was found but its platform (${formatPlatform(own)}) does not match the specified platform (${formatPlatform(platform)})`,
  );
}
