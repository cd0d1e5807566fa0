import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { offlineRegistry } from '../../../test/support/offline-registry.ts';
import { BlockGzip } from '../../archive/block-gzip.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { isKind, TareError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { LocalContentStore } from '../../content/local-store.ts';
import { mount, unmount } from '../../kernel/mount.ts';
import { digestOf, shortDigest } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { parseImageConfig } from '../../oci/parse-image-config.ts';
import type { ImageFetcher } from '../../registry-client/registry-client.ts';
import { overlaySnapshotter } from '../../snapshots/open.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import { Database } from '../../store/database.ts';
import { ImageTable } from '../../store/tables/images.ts';
import { LayerBlobTable } from '../../store/tables/layer-blobs.ts';
import { UnfinishedTable } from '../../store/tables/unfinished.ts';
import { ImageStore } from './image-store.ts';
import { LayerBlobStore } from './layer-blobs-store.ts';

function layerTar(name: string, content: string): Uint8Array {
  const header = encodeTarHeader({ type: 'file', name, size: content.length });
  return Buffer.concat([header, Buffer.from(content), tarPadding(content.length), tarEnd()]);
}

interface FakeLayer {
  readonly tar: Uint8Array;
  readonly blob: Uint8Array;
  /** Instead of arriving. */
  readonly failure?: Error;
  /** Milliseconds until it arrives. */
  readonly delay?: number;
}

/** A registry with one image, whose layers arrive as told. */
function registryOf(layers: readonly FakeLayer[]): ImageFetcher {
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => digestOf(tar)) },
    }),
  );
  const descriptorOf = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  });
  const manifest = {
    schemaVersion: 2 as const,
    mediaType: MEDIA_TYPES.ociManifest,
    config: descriptorOf(MEDIA_TYPES.ociConfig, configBytes),
    layers: layers.map(({ blob }) => descriptorOf(MEDIA_TYPES.ociLayerGzip, blob)),
  };
  const manifestBytes = Buffer.from(JSON.stringify(manifest));
  return {
    async fetchImage(_ref, options, content) {
      await content.put(MEDIA_TYPES.ociConfig, configBytes);
      await content.put(MEDIA_TYPES.ociManifest, manifestBytes);
      const fetched = layers.map((layer, index) => {
        const descriptor = descriptorOf(MEDIA_TYPES.ociLayerGzip, layer.blob);
        const diffId = digestOf(layer.tar);
        const skipped = options.skipLayer?.(diffId, index, []) ?? false;
        const arrive = async (): Promise<void> => {
          await Bun.sleep(layer.delay ?? 0);
          if (options.signal.aborted) throw new TareError('cancelled', 'aborted');
          if (layer.failure !== undefined) throw layer.failure;
          await content.put(descriptor.mediaType, layer.blob);
        };
        const ready = skipped ? Promise.resolve() : arrive();
        ready.catch(() => {});
        return { descriptor, diffId, skipped, ready };
      });
      const done = Promise.all(fetched.map(({ ready }) => ready)).then(() => {});
      done.catch(() => {});
      const digest = digestOf(manifestBytes);
      return {
        digest,
        manifestDigest: digest,
        manifestBytes,
        manifest,
        documents: [descriptorOf(MEDIA_TYPES.ociManifest, manifestBytes)],
        configBytes,
        config: parseImageConfig(configBytes),
        layers: fetched,
        done,
      };
    },
  };
}

const low = layerTar('low', 'lower layer');
const high = layerTar('high', 'upper layer');

describe('pull', () => {
  let root = '';
  let database: Database;
  let snapshotter: Snapshotter;
  let content: LocalContentStore;
  beforeEach(() => {
    root = mkdtempSync('/tmp/tare-pull-');
    database = new Database(':memory:');
    snapshotter = overlaySnapshotter(`${root}/overlay`);
    content = new LocalContentStore(`${root}/content`);
  });
  afterEach(async () => {
    await snapshotter.close();
    database.close();
    unmount(`${root}/disk`);
    rmSync(root, { recursive: true, force: true });
  });

  const storeWith = (fetcher: ImageFetcher): ImageStore =>
    new ImageStore({
      layerLimit: () => 1e12,
      unfinished: new UnfinishedTable(database),
      keepCompressed: () => 'always' as const,
      rows: new ImageTable(database),
      content,
      snapshotter,
      layerBlobs: new LayerBlobStore({
        rows: new LayerBlobTable(database),
        content,
        snapshotter,
        encoder: new BlockGzip(),
      }),
      fetcher,
      pusher: offlineRegistry,
      registry: offlineRegistry,
      events: { emit: () => {}, hold: () => () => {}, subscribe: () => () => {} },
      mountedAt: () => undefined,
      usersOf: () => [],
      layersInUse: () => [],
      log: silentLogger,
    });
  const pull = async (images: ImageStore, lines: string[] = []) =>
    images.pull('team/app:1', {
      report: ({ id, status }) => void lines.push(id === undefined ? `${status}` : `${id}: ${status}`),
      signal: new AbortController().signal,
    });
  const blobCount = async (): Promise<number> => (await Array.fromAsync(content.list())).length;

  test('all layers are unpacked, whatever arrives first; names and words are as of Docker', async () => {
    const layers = [
      { tar: low, blob: gzipSync(low), delay: 60 },
      { tar: high, blob: zstdCompressSync(high) },
    ];
    const images = storeWith(registryOf(layers));
    const lines: string[] = [];
    const image = await pull(images, lines);
    expect(image.repoTags).toEqual(['team/app:1']);
    expect(image.repoDigests).toHaveLength(1);
    expect(image.repoDigests[0]).toMatch(/^team\/app@sha256:/);
    expect(image.size).toBe(22);
    const complete = lines.filter((line) => line.endsWith('Pull complete'));
    const expected = layers.map(({ blob }) => `${shortDigest(digestOf(blob))}: Pull complete`);
    expect(complete.sort()).toEqual(expected.sort());
    expect(lines.at(-2)).toMatch(/^Digest: sha256:/);
    expect(lines.at(-1)).toBe('Status: Downloaded newer image for team/app:1');
    const again: string[] = [];
    expect((await pull(images, again)).id).toBe(image.id);
    expect(again.at(-1)).toBe('Status: Image is up to date for team/app:1');
    expect(again.some((line) => line.endsWith('Pull complete'))).toBe(false);
    await images.remove('team/app:1', { force: false, noPrune: false });
    expect(snapshotter.listLayers()).toEqual([]);
    expect(await blobCount()).toBe(0);
  });

  test('a layer that does not arrive leaves no image; what did is kept for the next pull, and a prune takes it', async () => {
    const failure = new TareError('unavailable', 'connection reset');
    const images = storeWith(
      registryOf([
        { tar: low, blob: gzipSync(low) },
        { tar: high, blob: gzipSync(high), failure, delay: 20 },
      ]),
    );
    await expect(pull(images)).rejects.toThrow('connection reset');
    expect(images.list()).toEqual([]);
    await images.sweep();
    expect(snapshotter.listLayers().map(({ diffId }) => diffId)).toEqual([digestOf(low)]);
    await images.prune(false, () => true);
    expect(snapshotter.listLayers()).toEqual([]);
    expect(await blobCount()).toBe(0);
    expect((await pull(storeWith(registryOf([{ tar: low, blob: gzipSync(low) }])))).size).toBe(11);
  });

  test('a layer whose tar is not what the config promised is corrupt', async () => {
    const images = storeWith(registryOf([{ tar: low, blob: gzipSync(high) }]));
    const error = await pull(images).catch((e: unknown) => e);
    expect(isKind(error, 'corrupt')).toBe(true);
    expect(images.list()).toEqual([]);
  });

  test('a full disk while a blob is written, and while it is unpacked', async () => {
    mkdirSync(`${root}/disk`);
    mount('tmpfs', 'tmpfs', `${root}/disk`, ['size=4m']);
    const small = new LocalContentStore(`${root}/disk/content`);
    const ingest = await small.ingest('big');
    const error = await (async () => {
      for (let i = 0; i < 10; i++) await ingest.write(new Uint8Array(1_000_000));
    })().catch((e: unknown) => e);
    expect(isKind(error, 'exhausted')).toBe(true);
    expect(String(error)).toContain('no space left on device');
    await ingest.abort();
    expect((await small.put('x', new Uint8Array(2_000_000))).size).toBe(2_000_000);

    const crowded = overlaySnapshotter(`${root}/disk/overlay`);
    const tar = layerTar('big', 'x'.repeat(8_000_000));
    const full = await crowded.applyLayer(digestOf(tar), new Response(tar).body!).catch((e: unknown) => e);
    expect(isKind(full, 'exhausted')).toBe(true);
    await crowded.close();
  });
});
