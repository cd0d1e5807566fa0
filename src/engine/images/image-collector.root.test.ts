import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { encodeTarHeader, tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { silentLogger } from '../../base/log.ts';
import { LocalContentStore } from '../../content/local-store.ts';
import { digestOf } from '../../oci/digest.ts';
import { overlaySnapshotter } from '../../snapshots/open.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import { leasedContent, leasedLayers } from '../leases/leased-stores.ts';
import { Leases } from '../leases/leases.ts';
import { ImageCollector } from './image-collector.ts';
import { ImageIndex, type ImageRows } from './image-index.ts';

function layerTar(name: string): Uint8Array {
  const header = encodeTarHeader({ type: 'file', name, size: name.length });
  return Buffer.concat([header, Buffer.from(name), tarPadding(name.length), tarEnd()]);
}
const bytes = (tar: Uint8Array): ReadableStream<Uint8Array> => new Response(tar).body ?? new ReadableStream();
const NOTHING_UNFINISHED = { add: () => {}, remove: () => {}, expire: () => {}, all: () => [] };
const NO_ROWS: ImageRows = { apply: () => {}, images: () => [], names: () => [] };

describe('the collector', () => {
  let root = '';
  let content: LocalContentStore;
  let snapshotter: Snapshotter;
  let index: ImageIndex;
  let leases: Leases;
  let collector: ImageCollector;
  const used = new Set<string>();
  beforeEach(() => {
    root = mkdtempSync('/tmp/tare-collect-');
    content = new LocalContentStore(`${root}/content`);
    snapshotter = overlaySnapshotter(`${root}/overlay`);
    index = new ImageIndex(NO_ROWS);
    leases = new Leases(NOTHING_UNFINISHED, async () => {
      await collector.collect();
    });
    collector = new ImageCollector({
      index,
      content,
      snapshotter,
      layerBlobs: { retain: () => {} },
      leases,
      layersInUse: () => used,
      log: silentLogger,
    });
    used.clear();
  });
  afterEach(async () => {
    await snapshotter.close();
    rmSync(root, { recursive: true, force: true });
  });

  const layers = (): string[] => snapshotter.listLayers().map(({ diffId }) => diffId);
  const blobs = async (): Promise<string[]> =>
    (await Array.fromAsync(content.list())).map(({ digest }) => digest);
  const addImage = (diffIds: string[]): string => {
    const configText = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: diffIds },
    });
    const id = digestOf(configText);
    index.add({ id, configText, size: 1, parent: '', blobs: [], tags: [], digests: [] });
    return id;
  };

  test('frees what nobody needs while a pull goes on, and what the pull brought when it fails', async () => {
    const failure = Promise.withResolvers<void>();
    const holding = Promise.withResolvers<void>();
    const garbage = (await snapshotter.applyLayer(undefined, bytes(layerTar('garbage')))).diffId;
    const other = (await content.put('x', Buffer.from('garbage'))).digest;
    const tar = layerTar('new');
    const pull = leases.hold(async (lease) => {
      await leasedLayers(snapshotter, lease).applyLayer(digestOf(tar), bytes(tar));
      const ingest = await leasedContent(content, lease).ingest('pull:blob');
      await ingest.write(Buffer.from('blob'));
      await ingest.commit({ digest: digestOf('blob') });
      holding.resolve();
      await failure.promise;
    });
    await holding.promise;
    expect(layers().sort()).toEqual([garbage, digestOf(tar)].sort());
    expect(await blobs()).toContain(other);
    expect(await collector.collect()).toEqual([garbage]);
    expect(layers()).toEqual([digestOf(tar)]);
    expect(await blobs()).toEqual([digestOf('blob')]);
    failure.reject(new Error('cut'));
    await expect(pull).rejects.toThrow('cut');
    expect(layers()).toEqual([]);
    expect(await blobs()).toEqual([]);
  });

  test('a layer that was garbage at the begin and has an image when its turn comes stays', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const diffIds = [];
    for (const name of names) {
      diffIds.push((await snapshotter.applyLayer(undefined, bytes(layerTar(name)))).diffId);
    }
    const last = diffIds.at(-1) ?? '';
    const collecting = collector.collect();
    // Another pull finds the layer there, and its row comes before the collection gets to it.
    await leases.hold(async (lease) => {
      expect(leasedLayers(snapshotter, lease).hasLayer(last)).toBe(true);
      addImage([last]);
    });
    expect(await collecting).toEqual(diffIds.slice(0, -1));
    expect(layers()).toEqual([last]);
  });

  test('images and containers hold their layers, and images their config', async () => {
    const one = (await snapshotter.applyLayer(undefined, bytes(layerTar('one')))).diffId;
    const two = (await snapshotter.applyLayer(undefined, bytes(layerTar('two')))).diffId;
    const id = addImage([one]);
    used.add(two);
    const config = await content.put('x', Buffer.from(index.configText(id)));
    expect(config.digest).toBe(id);
    expect(await collector.collect()).toEqual([]);
    expect(await blobs()).toEqual([id]);
    index.remove([], id);
    expect(await collector.collect()).toEqual([one]);
    expect(await blobs()).toEqual([]);
    used.clear();
    expect(await collector.collect()).toEqual([two]);
  });

  test('an import of what is garbage already is whole, whenever somebody collects', async () => {
    const tar = layerTar('same');
    await snapshotter.applyLayer(undefined, bytes(tar));
    for (let round = 0; round < 10; round++) {
      const importing = leases.hold(async (lease) => {
        const { diffId } = await leasedLayers(snapshotter, lease).applyLayer(undefined, bytes(tar));
        return addImage([diffId]);
      });
      await Bun.sleep(round);
      await collector.collect();
      const id = await importing;
      expect(layers()).toEqual([digestOf(tar)]);
      index.remove([], id);
    }
    await collector.collect();
    expect(layers()).toEqual([]);
  });
});
