import { TareError } from '../../../src/base/errors.ts';
import type { ImageTarget } from '../../../src/engine/images/image-manifests.ts';
import type { Image, ImageService, ImportSource } from '../../../src/engine/images/images.ts';
import type { Platform } from '../../../src/oci/descriptor.ts';
import { IMAGE_ID } from './fake-containers.ts';
import { byteStream } from './fake-session.ts';

function refuse(): never {
  throw new TareError('not-implemented', 'the fake does not do this');
}

export function fakeImage(change: Partial<Image> = {}): Image {
  return {
    id: IMAGE_ID,
    config: {
      architecture: 'amd64',
      os: 'linux',
      created: '2025-12-01T00:00:00Z',
      config: { Cmd: ['sh'], Labels: { a: 'b' } },
      rootfs: { type: 'layers', diff_ids: ['sha256:aa'] },
      history: [
        { created: '2025-12-01T00:00:00Z', created_by: 'ADD' },
        { empty_layer: true, created_by: 'CMD' },
      ],
    },
    repoTags: ['nginx:latest'],
    repoDigests: [],
    size: 100,
    createdAt: Date.UTC(2025, 11, 1),
    parent: '',
    lastTagged: 0,
    ...change,
  };
}

export class FakeImages implements ImageService {
  items: Image[] = [fakeImage()];
  received = 0;
  pullSignal: AbortSignal | undefined;
  calls: unknown[] = [];
  onPull: ImageService['pull'] = async (_reference, options) => {
    options.report({ id: 'abc', status: 'Downloading', current: 50, total: 100 });
    options.report({ status: 'Status: Downloaded newer image' });
    return fakeImage();
  };

  find(ref: string): Image | undefined {
    return this.items.find(
      (item) => item.id === ref || item.repoTags.includes(ref) || item.repoTags.includes(`${ref}:latest`),
    );
  }

  get(ref: string, platform?: Platform): Image {
    const image = this.find(ref);
    if (platform !== undefined) this.calls.push(['platform', platform]);
    if (image === undefined) throw new TareError('not-found', `No such image: ${ref}`);
    return image;
  }

  list(): Image[] {
    return [...this.items];
  }

  async tag(ref: string, target: string) {
    this.calls.push(['tag', ref, target]);
  }

  async remove(ref: string) {
    this.get(ref);
    return [{ untagged: 'nginx:latest' }, { deleted: IMAGE_ID }];
  }

  /** What `target` answers. */
  manifest: ImageTarget = { manifests: [] };

  async target() {
    return this.manifest;
  }

  usersOf() {
    return [{ id: 'c1', running: true }];
  }

  async prune(all: boolean, matches: (image: Image) => boolean) {
    const unwanted = this.items.filter((item) => all || item.repoTags.length === 0);
    return { removed: unwanted.filter(matches).map((item) => ({ deleted: item.id })), reclaimed: 1 };
  }

  pull(...args: Parameters<ImageService['pull']>) {
    this.calls.push(['pull', args[0], args[1].platform, args[1].auth]);
    this.pullSignal = args[1].signal;
    return this.onPull(...args);
  }

  async pullAll(...[reference, options]: Parameters<ImageService['pullAll']>) {
    this.calls.push(['pullAll', reference]);
    options.report({ status: `Status: Image is up to date for ${reference}` });
  }

  async push(...[reference, options]: Parameters<ImageService['push']>) {
    this.calls.push(['push', reference, options.platform, options.auth]);
    options.report({ status: 'The push refers to repository [docker.io/library/nginx]' });
    options.report({ id: '0123456789ab', status: 'Pushing', current: 50, total: 100 });
    options.report({ aux: { Tag: 'latest', Digest: IMAGE_ID, Size: 528 } });
  }

  async #drain(tar: ReadableStream<Uint8Array>) {
    for await (const chunk of tar) this.received += chunk.length;
  }

  async load(tar: ReadableStream<Uint8Array>) {
    await this.#drain(tar);
    return ['nginx:latest'];
  }

  saveAs(ref: string, _names: readonly string[]): Promise<ReadableStream<Uint8Array>> {
    return this.save([ref]);
  }

  async save(refs: readonly string[]) {
    this.calls.push(['save', ...refs]);
    return byteStream(['saved']);
  }

  async importTar(source: ImportSource, options: object) {
    if (source instanceof ReadableStream) await this.#drain(source);
    else this.calls.push(['address', source.address]);
    this.calls.push(['import', options]);
    return IMAGE_ID;
  }

  createImage(): Promise<Image> {
    return refuse();
  }

  layerSize(): number {
    return 7;
  }

  async diskUse() {
    const byImage = new Map(this.items.map(({ id }) => [id, { trees: 60, compressed: 20 }]));
    return { trees: 120, compressed: 40, byImage };
  }

  async work(): Promise<never> {
    throw new Error('no builds here');
  }

  async collect(): Promise<string[]> {
    return [];
  }

  layersSize(): number {
    return 100;
  }
}
