/** Image stores over real layers and blobs, and archives to load into them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { BlockGzip } from '../../src/archive/block-gzip.ts';
import { encodeTarHeader, type TarMember, tarEnd, tarPadding } from '../../src/archive/tar-writer.ts';
import { silentLogger } from '../../src/base/log.ts';
import { LocalContentStore } from '../../src/content/local-store.ts';
import type { ImageUser } from '../../src/engine/images/image-remover.ts';
import { ImageStore } from '../../src/engine/images/image-store.ts';
import { LayerBlobStore } from '../../src/engine/images/layer-blobs-store.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { overlaySnapshotter } from '../../src/snapshots/open.ts';
import type { Snapshotter } from '../../src/snapshots/snapshots.ts';
import { Database } from '../../src/store/database.ts';
import { ImageTable } from '../../src/store/tables/images.ts';
import { LayerBlobTable } from '../../src/store/tables/layer-blobs.ts';
import { UnfinishedTable } from '../../src/store/tables/unfinished.ts';
import { offlineRegistry, type Registries } from './offline-registry.ts';

export type Member = TarMember & { readonly content?: string | Uint8Array };

export function tarOf(...members: Member[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const member of members) {
    const content = Buffer.from(member.content ?? '');
    parts.push(encodeTarHeader({ ...member, size: content.byteLength }), content);
    parts.push(tarPadding(content.byteLength));
  }
  return Buffer.concat([...parts, tarEnd()]);
}

export const file = (name: string, content: string | Uint8Array): Member => ({ type: 'file', name, content });

export function stream(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Response(bytes).body ?? new ReadableStream();
}

export async function bytesOf(source: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(source).arrayBuffer());
}

export const QUIET = { report: () => {} };

/** An image store and what it stands on. */
export interface Setup {
  readonly images: ImageStore;
  readonly snapshotter: Snapshotter;
  readonly content: LocalContentStore;
  readonly layerBlobs: LayerBlobStore;
  readonly users: Map<string, ImageUser[]>;
  readonly close: () => Promise<void>;
}

function setup(root: string, layerLimit = () => 1e12, registry: Registries = offlineRegistry): Setup {
  const database = new Database(':memory:');
  const snapshotter = overlaySnapshotter(`${root}/overlay`);
  const content = new LocalContentStore(`${root}/content`);
  const users = new Map<string, ImageUser[]>();
  const layerBlobs = new LayerBlobStore({
    rows: new LayerBlobTable(database),
    content,
    snapshotter,
    encoder: new BlockGzip(),
  });
  const images = new ImageStore({
    layerLimit,
    unfinished: new UnfinishedTable(database),
    keepCompressed: () => 'always' as const,
    rows: new ImageTable(database),
    content,
    snapshotter,
    layerBlobs,
    fetcher: registry,
    pusher: registry,
    registry,
    events: { emit: () => {}, hold: () => () => {}, subscribe: () => () => {} },
    usersOf: (id) => users.get(id) ?? [],
    mountedAt: () => undefined,
    layersInUse: () => snapshotter.layersInUse(),
    log: silentLogger,
  });
  const close = async (): Promise<void> => {
    await snapshotter.close();
    database.close();
  };
  return { images, snapshotter, content, layerBlobs, users, close };
}

/** Stores in a folder that `close` takes away with all that was made in it. */
export class ImageLab {
  readonly #base = mkdtempSync('/tmp/tare-images-');
  readonly #open: Setup[] = [];

  /** An empty store; `layerLimit`: bytes that a layer may unpack to. */
  fresh(layerLimit?: () => number, registry?: Registries): Setup {
    const made = setup(`${this.#base}/${this.#open.length}`, layerLimit, registry);
    this.#open.push(made);
    return made;
  }

  async close(): Promise<void> {
    for (const made of this.#open) await made.close();
    rmSync(this.#base, { recursive: true, force: true });
  }
}

/** A blob of an OCI layout, and its descriptor. */
export interface Blob {
  readonly member: Member;
  readonly descriptor: { mediaType: string; digest: string; size: number };
}

export function blobOf(
  mediaType: string,
  bytes: string | Uint8Array,
  algorithm: 'sha256' | 'sha512' = 'sha256',
): Blob {
  const digest = digestOf(bytes, algorithm);
  return {
    member: file(`blobs/${digest.replace(':', '/')}`, bytes),
    descriptor: { mediaType, digest, size: Buffer.from(bytes).byteLength },
  };
}
