import { afterAll, describe, expect, test } from 'bun:test';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import {
  bytesOf,
  file,
  ImageLab,
  type Member,
  QUIET,
  stream,
  tarOf,
} from '../../../test/support/image-lab.ts';
import { readTarMembers } from '../../archive/tar-members.ts';
import { isKind } from '../../base/errors.ts';
import { digestOf } from '../../oci/digest.ts';
import type { ImageStore } from './image-store.ts';

const lab = new ImageLab();
const fresh = lab.fresh.bind(lab);
afterAll(() => lab.close());

const rootTar = tarOf(file('bin/sh', 'shell'), file('etc/x', 'x'.repeat(5000)));

async function makeTwo(images: ImageStore): Promise<{ base: string; derived: string }> {
  const id = await images.importTar(stream(rootTar), {
    reference: 'one:v1',
    message: 'made',
    changes: ['CMD ["sh"]', 'ENV A=b'],
  });
  const derived = await images.createImage({
    base: id,
    layer: stream(tarOf(file('more', 'more'), file('etc/.wh.x', ''))),
    config: { architecture: 'amd64', os: 'linux', created: '2020-01-01T00:00:00Z', config: { Cmd: ['b'] } },
    history: { createdBy: 'test', author: '', comment: '' },
    reference: 'host:5000/two',
  });
  return { base: id, derived: derived.id };
}

/** What `docker save` wrote in the layout of version 24 and before. */
function oldArchive(
  names: string[],
  layer: Uint8Array,
  order: 'manifest-first' | 'manifest-last',
): Uint8Array {
  const plain = layer[0] === 0x1f ? gunzipSync(layer) : layer;
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['x'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(plain)] },
  });
  const hex = digestOf(config).slice(7);
  const manifest = file(
    'manifest.json',
    JSON.stringify([
      { Config: `${hex}.json`, RepoTags: names, Layers: ['abc/layer.tar', 'link/layer.tar'].slice(0, 1) },
    ]),
  );
  const rest: Member[] = [
    file(`${hex}.json`, config),
    file('abc/VERSION', '1.0'),
    file('abc/layer.tar', layer),
  ];
  return order === 'manifest-first' ? tarOf(manifest, ...rest) : tarOf(...rest, manifest);
}

describe('save and load', () => {
  test('a round trip keeps ids, names, configs and layers, shared layers once', async () => {
    const from = fresh();
    const { base: one, derived: two } = await makeTwo(from.images);
    const archive = await bytesOf(await from.images.save(['one:v1', 'host:5000/two']));
    const names: string[] = [];
    for await (const { entry } of readTarMembers(stream(archive))) names.push(entry.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of [
      'oci-layout',
      'index.json',
      'manifest.json',
      'repositories',
      `blobs/sha256/${one.slice(7)}`,
    ]) {
      expect(names).toContain(name);
    }
    const to = fresh();
    const loaded = await to.images.load(stream(archive), QUIET);
    expect(loaded.sort()).toEqual(['host:5000/two:latest', 'one:v1']);
    expect(to.images.get('one:v1').id).toBe(one);
    expect(to.images.get('host:5000/two').id).toBe(two);
    expect(to.images.get(two).config).toEqual(from.images.get(two).config);
    expect(to.snapshotter.listLayers()).toHaveLength(2);
    expect(to.images.get(two).size).toBe(from.images.get(two).size);
    const again = await bytesOf(await to.images.save(['one:v1', 'host:5000/two']));
    expect(digestOf(again)).toBe(digestOf(archive));
  });

  test('a tag that another image has moves, and that is told', async () => {
    const from = fresh();
    const to = fresh();
    const { base: one } = await makeTwo(from.images);
    await makeTwo(to.images);
    await to.images.tag('host:5000/two', 'one:v1');
    const before = to.images.get('one:v1').id;
    const told: unknown[] = [];
    await to.images.load(await from.images.save(['one:v1']), { report: (event) => told.push(event.stream) });
    expect(told).toContain(
      `The image one:v1 already exists, renaming the old one with ID ${before} to empty string\n`,
    );
    expect(to.images.get('one:v1').id).toBe(one);
  });

  test('compressed archives, and by id without names', async () => {
    const from = fresh();
    const { base: one } = await makeTwo(from.images);
    const archive = await bytesOf(await from.images.save([one]));
    for (const packed of [gzipSync(archive), zstdCompressSync(archive)]) {
      const to = fresh();
      expect(await to.images.load(stream(packed), QUIET)).toEqual([one]);
      expect(to.images.get(one).repoTags).toEqual([]);
    }
  });

  test('a name without a tag saves all tags of the repository', async () => {
    const from = fresh();
    await makeTwo(from.images);
    await from.images.tag('one:v1', 'one:v2');
    const to = fresh();
    const names = await to.images.load(await from.images.save(['one']), QUIET);
    expect(names.sort()).toEqual(['one:v1', 'one:v2']);
  });

  test('archives of old versions, in any order, layers plain or compressed', async () => {
    for (const order of ['manifest-first', 'manifest-last'] as const) {
      for (const layer of [rootTar, gzipSync(rootTar)]) {
        const to = fresh();
        expect(await to.images.load(stream(oldArchive(['old:1'], layer, order)), QUIET)).toEqual(['old:1']);
        expect(to.images.get('old:1').config.config?.Cmd).toEqual(['x']);
      }
    }
  });

  test('an OCI layout without manifest.json, with a compressed layer', async () => {
    const layer = gzipSync(rootTar);
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(rootTar)] },
    });
    const descriptor = (mediaType: string, bytes: string | Uint8Array): object => ({
      mediaType,
      digest: digestOf(bytes),
      size: Buffer.from(bytes).byteLength,
    });
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
    });
    const index = JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
          annotations: { 'org.opencontainers.image.ref.name': 'example.com/oci:3' },
        },
      ],
    });
    const blob = (bytes: string | Uint8Array): Member =>
      file(`blobs/${digestOf(bytes).replace(':', '/')}`, bytes);
    const good = [
      file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
      blob(layer),
      blob(config),
      blob(manifest),
    ];
    const to = fresh();
    expect(await to.images.load(stream(tarOf(...good, file('index.json', index))), QUIET)).toEqual([
      'example.com/oci:3',
    ]);
    expect(to.images.get('example.com/oci:3').id).toBe(digestOf(config));
    const lying = file(`blobs/sha256/${'0'.repeat(64)}`, 'not that');
    const error = await fresh()
      .images.load(stream(tarOf(...good, lying, file('index.json', index))), QUIET)
      .catch((e: unknown) => e);
    expect(isKind(error, 'corrupt')).toBe(true);
  });

  const bad: Record<string, () => Uint8Array> = {
    'no archive at all': () => Buffer.from('this is no tar, whatever its length may be'.repeat(50)),
    'an empty one': () => tarOf(),
    'cut off': () => oldArchive(['cut:1'], rootTar, 'manifest-first').slice(0, 9000),
    'a missing layer': () =>
      tarOf(
        file('manifest.json', '[{"Config":"c.json","RepoTags":["m:1"],"Layers":["x"]}]'),
        file(
          'c.json',
          `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:${'a'.repeat(64)}"]}}`,
        ),
      ),
    'a missing config': () =>
      tarOf(file('manifest.json', '[{"Config":"c.json","RepoTags":["m:1"],"Layers":[]}]')),
    'a config that is none': () =>
      tarOf(file('manifest.json', '[{"Config":"c.json","RepoTags":[],"Layers":[]}]'), file('c.json', '[]')),
    'a bad tag': () => oldArchive(['UPPER CASE'], rootTar, 'manifest-last'),
    'a manifest that is no JSON': () => tarOf(file('manifest.json', '{{{')),
    'a layer with a name above its root': () =>
      oldArchive(['evil:1'], tarOf(file('../evil', 'x')), 'manifest-last'),
    'a wrong diff id': () =>
      tarOf(
        file('manifest.json', '[{"Config":"c.json","RepoTags":["m:1"],"Layers":["l"]}]'),
        file('l', rootTar),
        file(
          'c.json',
          `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:${'a'.repeat(64)}"]}}`,
        ),
      ),
  };
  for (const [what, archive] of Object.entries(bad)) {
    test(`refused, and nothing changes: ${what}`, async () => {
      const to = fresh();
      const error = await to.images.load(stream(archive()), QUIET).catch((e: unknown) => e);
      expect(isKind(error, 'corrupt', 'invalid', 'not-found')).toBe(true);
      expect(to.images.list()).toEqual([]);
      await to.images.sweep();
      expect(to.snapshotter.listLayers()).toEqual([]);
    });
  }
});

describe('a layer that unpacks to too much', () => {
  const zeros = (megabytes: number): Uint8Array =>
    gzipSync(tarOf(file('zeros', Buffer.alloc(megabytes * 1e6))), { level: 9 });

  test('is refused by load and import, nothing of it stays, and a smaller one is taken', async () => {
    const to = fresh(() => 2_000_000);
    for (const bring of [
      () => to.images.load(stream(oldArchive(['big:1'], zeros(3), 'manifest-last')), QUIET),
      () => to.images.importTar(stream(zeros(3)), { reference: 'big:1', message: '', changes: [] }),
    ]) {
      const error = await bring().catch((caught: unknown) => caught);
      expect(isKind(error, 'exhausted')).toBe(true);
      expect(String(error)).toContain('set max-layer-size');
      await to.images.sweep();
      expect(to.images.list()).toEqual([]);
      expect(to.snapshotter.listLayers()).toEqual([]);
    }
    await to.images.importTar(stream(zeros(1)), { reference: 'small:1', message: '', changes: [] });
    expect(to.images.list()).toHaveLength(1);
  });
});

describe('removal frees layers', () => {
  test('shared layers stay until the last image goes; containers hold theirs', async () => {
    const { images, snapshotter, users } = fresh();
    const { base: one, derived: two } = await makeTwo(images);
    expect(snapshotter.listLayers()).toHaveLength(2);
    const removed = await images.remove('host:5000/two', { force: false, noPrune: false });
    expect(removed).toContainEqual({ untagged: 'host:5000/two:latest' });
    expect(removed).toContainEqual({ deleted: two });
    expect(snapshotter.listLayers()).toHaveLength(1);
    await snapshotter.prepare('c1', images.get(one).config.rootfs.diff_ids);
    users.set(one, [{ id: 'c1'.repeat(32), running: false }]);
    const refused = await images.remove('one:v1', { force: false, noPrune: false }).catch((e: unknown) => e);
    expect(isKind(refused, 'conflict')).toBe(true);
    await images.remove('one:v1', { force: true, noPrune: false });
    expect(snapshotter.listLayers()).toHaveLength(1);
    await snapshotter.remove('c1');
    await images.sweep();
    expect(snapshotter.listLayers()).toEqual([]);
  });
});
