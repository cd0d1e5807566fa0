import { afterAll, describe, expect, test } from 'bun:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import {
  type Blob,
  blobOf,
  bytesOf,
  file,
  ImageLab,
  type Member,
  QUIET,
  stream,
  tarOf,
} from '../../../test/support/image-lab.ts';
import { isKind } from '../../base/errors.ts';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';

const lab = new ImageLab();
const fresh = lab.fresh.bind(lab);
afterAll(() => lab.close());

interface OciImage {
  readonly members: Member[];
  readonly id: string;
  readonly manifest: Blob;
  readonly layer: Blob;
}

/** An image of one layer in an OCI layout. */
function ociImage(
  architecture: string,
  pack: (tar: Uint8Array) => Uint8Array,
  algorithm: 'sha256' | 'sha512' = 'sha256',
): OciImage {
  const tar = tarOf(file('etc/arch', architecture));
  const packed = pack(tar);
  const type = packed === tar ? MEDIA_TYPES.ociLayer : MEDIA_TYPES.ociLayerGzip;
  const layer = blobOf(packed[0] === 0x28 ? MEDIA_TYPES.ociLayerZstd : type, packed, algorithm);
  const diffIds = [digestOf(tar, packed === tar ? algorithm : 'sha256')];
  const text = JSON.stringify({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } });
  const config = blobOf(MEDIA_TYPES.ociConfig, text);
  const manifest = blobOf(
    MEDIA_TYPES.ociManifest,
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: config.descriptor,
      layers: [layer.descriptor],
    }),
    algorithm,
  );
  const members = [layer.member, config.member, manifest.member];
  return { members, id: config.descriptor.digest, manifest, layer };
}

const named = (descriptor: object, name: string): object => ({
  ...descriptor,
  annotations: { 'org.opencontainers.image.ref.name': name },
});
const indexJson = (...manifests: object[]): Member =>
  file('index.json', JSON.stringify({ schemaVersion: 2, manifests }));

function archive(images: readonly OciImage[], ...more: Member[]): ReadableStream<Uint8Array> {
  return stream(tarOf(...images.flatMap(({ members }) => members), ...more));
}

/** An index of several platforms as one entry of index.json, as docker's containerd image store saves. */
function multi(...images: ReadonlyArray<readonly [architecture: string, image: OciImage]>): Blob {
  const manifests = images.map(([architecture, { manifest }]) => ({
    ...manifest.descriptor,
    platform: { os: 'linux', architecture },
  }));
  return blobOf(
    MEDIA_TYPES.ociIndex,
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }),
  );
}

const host = process.arch === 'arm64' ? 'arm64' : 'amd64';
const other = host === 'amd64' ? 'arm64' : 'amd64';

describe('an OCI layout', () => {
  for (const [what, pack] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    test(`with ${what} layers keeps its manifest and blobs until the image goes`, async () => {
      const to = fresh();
      const image = ociImage(host, (tar) => pack(tar));
      const load = () => archive([image], indexJson(named(image.manifest.descriptor, 'example.com/a:1')));
      for (let i = 0; i < 2; i++) {
        expect(await to.images.load(load(), QUIET)).toEqual(['example.com/a:1']);
        await to.images.sweep();
        const { digest } = image.manifest.descriptor;
        expect(to.images.get('example.com/a:1')).toMatchObject({
          id: image.id,
          repoDigests: [`example.com/a@${digest}`],
        });
        expect((await to.images.target(to.images.get(image.id)))?.descriptor).toEqual(
          image.manifest.descriptor,
        );
        expect(await bytesOf(to.layerBlobs.stream(image.layer.descriptor.digest))).toEqual(
          Buffer.from(image.layer.member.content ?? ''),
        );
      }
      await to.images.remove('example.com/a:1', { force: false, noPrune: false });
      const left = await Array.fromAsync(to.content.list());
      expect(left).toEqual([]);
    });
  }

  test('saved and loaded elsewhere it has the same digest, and so has the index that it came by', async () => {
    const image = ociImage(host, (tar) => gzipSync(tar));
    const above = multi([host, image], [other, ociImage(other, (tar) => gzipSync(tar))]);
    for (const { descriptor, more } of [
      { descriptor: image.manifest.descriptor, more: [] },
      { descriptor: above.descriptor, more: [above.member] },
    ]) {
      const [from, to] = [fresh(), fresh()];
      await from.images.load(archive([image], ...more, indexJson(named(descriptor, 'a.b/c:1'))), QUIET);
      await to.images.load(await from.images.save(['a.b/c:1']), QUIET);
      expect(to.images.get('a.b/c:1')).toMatchObject({
        id: image.id,
        repoDigests: [`a.b/c@${descriptor.digest}`],
      });
      expect(await bytesOf(to.layerBlobs.stream(image.layer.descriptor.digest))).toEqual(
        Buffer.from(image.layer.member.content ?? ''),
      );
    }
  });

  test('what the disk has no bytes of any more, or readers may not know, is saved plain', async () => {
    for (const [pack, gone] of [
      [gzipSync, true],
      [zstdCompressSync, false],
    ] as const) {
      const [from, to] = [fresh(), fresh()];
      const image = ociImage(host, (tar) => pack(tar));
      await from.images.load(archive([image], indexJson(named(image.manifest.descriptor, 'a.b/c:1'))), QUIET);
      if (gone) await from.content.remove(image.layer.descriptor.digest);
      await to.images.load(await from.images.save(['a.b/c:1']), QUIET);
      expect(to.images.get('a.b/c:1')).toMatchObject({ id: image.id, repoDigests: [] });
    }
  });

  test('with plain layers keeps none: a push compresses them', async () => {
    const to = fresh();
    const image = ociImage(host, (tar) => tar);
    await to.images.load(archive([image], indexJson(named(image.manifest.descriptor, 'a:1'))), QUIET);
    expect(to.images.get('a:1').repoDigests).toEqual([]);
    // What save writes stands for the one that was not kept; here they are the same.
    const target = await to.images.target(to.images.get('a:1'));
    expect(target).toMatchObject({
      manifests: [{ kind: 'image', platform: { architecture: host }, imageId: image.id }],
    });
    expect(target.descriptor).toBeUndefined();
    expect(target.manifests[0]?.descriptor).toEqual(image.manifest.descriptor);
    expect((await Array.fromAsync(to.content.list())).map(({ digest }) => digest)).toEqual([image.id]);
  });

  test('with sha512 digests', async () => {
    for (const pack of [gzipSync, (tar: Uint8Array) => tar]) {
      const to = fresh();
      const image = ociImage(host, (tar) => pack(tar), 'sha512');
      const entry = named(image.manifest.descriptor, 'long:1');
      expect(await to.images.load(archive([image], indexJson(entry)), QUIET)).toEqual(['long:1']);
      expect(to.images.get('long:1').id).toBe(image.id);
      expect((await bytesOf(await to.images.save(['long:1']))).byteLength).toBeGreaterThan(2048);
    }
  });

  test('a compressed layer that lies about its digest is refused and leaves nothing', async () => {
    const to = fresh();
    const image = ociImage(host, (tar) => gzipSync(tar));
    const lying = file(image.layer.member.name, gzipSync(tarOf(file('etc/arch', 'evil'))));
    const members = [lying, ...image.members.slice(1), indexJson(named(image.manifest.descriptor, 'a:1'))];
    const error = await to.images.load(stream(tarOf(...members)), QUIET).catch((caught: unknown) => caught);
    expect(isKind(error, 'corrupt')).toBe(true);
    expect(String(error)).toContain(image.layer.descriptor.digest);
    await to.images.sweep();
    expect(to.images.list()).toEqual([]);
    expect(to.snapshotter.listLayers()).toEqual([]);
    expect(await Array.fromAsync(to.content.list())).toEqual([]);
  });

  test('artifacts and foreign layers are refused by name', async () => {
    const image = ociImage(host, (tar) => gzipSync(tar));
    const text = String(image.manifest.member.content);
    for (const [from, by, words] of [
      [MEDIA_TYPES.ociConfig, 'application/vnd.example.thing', 'no container image'],
      [MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.dockerForeignLayerGzip, 'foreign layers are not supported'],
    ] as const) {
      const manifest = blobOf(MEDIA_TYPES.ociManifest, text.replace(from, by));
      const members = [
        ...image.members.slice(0, 2),
        manifest.member,
        indexJson(named(manifest.descriptor, 'a:1')),
      ];
      const to = fresh();
      await expect(to.images.load(stream(tarOf(...members)), QUIET)).rejects.toThrow(words);
      expect(to.images.list()).toEqual([]);
    }
  });
});

describe('several platforms', () => {
  const mine = ociImage(host, (tar) => gzipSync(tar));
  const theirs = ociImage(other, (tar) => gzipSync(tar));
  const index = multi([other, theirs], [host, mine]);
  const both = () => archive([mine, theirs], index.member, indexJson(named(index.descriptor, 'm:1')));

  test('this machine’s is taken, and the index kept', async () => {
    const to = fresh();
    expect(await to.images.load(both(), QUIET)).toEqual(['m:1']);
    expect(to.images.get('m:1').id).toBe(mine.id);
    expect(to.images.get('m:1').repoDigests).toEqual([`m@${index.descriptor.digest}`]);
    const target = await to.images.target(to.images.get('m:1'));
    expect(target.manifests).toMatchObject([
      { kind: 'image', platform: { architecture: other }, contentSize: 0 },
      { kind: 'image', platform: { architecture: host }, imageId: mine.id },
    ]);
    await to.images.sweep();
    expect((await to.images.target(to.images.get('m:1')))?.descriptor).toEqual(index.descriptor);
  });

  test('another one when asked for, both when both are', async () => {
    const to = fresh();
    const platform = (architecture: string) => ({ os: 'linux', architecture });
    await to.images.load(both(), { ...QUIET, platforms: [platform(other)] });
    expect(to.images.list().map(({ id }) => id)).toEqual([theirs.id]);
    expect(to.images.get('m:1', platform(other)).id).toBe(theirs.id);
    expect(() => to.images.get('m:1', platform(host))).toThrow(
      `image with reference m:1 was found but its platform (linux/${other}) does not match the specified platform (linux/${host})`,
    );
    await expect(to.images.save(['m:1'], platform(host))).rejects.toThrow('does not match');
    await to.images.load(both(), { ...QUIET, platforms: [platform(other), platform(host)] });
    expect(
      to.images
        .list()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([mine.id, theirs.id].sort());
    const none = to.images.load(both(), { ...QUIET, platforms: [platform('s390x')] });
    await expect(none).rejects.toThrow('no image for this platform');
  });

  test('an index that has only another machine’s image gives that', async () => {
    const to = fresh();
    const members = [index.member, indexJson(named(index.descriptor, 'm:1'))];
    expect(await to.images.load(archive([theirs], ...members), QUIET)).toEqual(['m:1']);
    expect(to.images.get('m:1').config.architecture).toBe(other);
  });

  test('a docker-archive of another platform than asked for is refused', async () => {
    const to = fresh();
    const path = (blob: { digest: string }) => `blobs/${blob.digest.replace(':', '/')}`;
    const manifest = file(
      'manifest.json',
      JSON.stringify([
        { Config: path({ digest: theirs.id }), RepoTags: ['d:1'], Layers: [path(theirs.layer.descriptor)] },
      ]),
    );
    const wanted = { ...QUIET, platforms: [{ os: 'linux', architecture: host }] };
    await expect(to.images.load(archive([theirs], manifest), wanted)).rejects.toThrow(
      `the archive has no image for the platform linux/${host}`,
    );
    expect(await to.images.load(archive([theirs], manifest), QUIET)).toEqual(['d:1']);
  });

  test.each([1000, 3])('an index that is %d deep, or names itself, ends', async (depth) => {
    const to = fresh();
    let at = index;
    const documents = [index.member];
    for (let i = 0; i < depth; i++) {
      const text = JSON.stringify({ schemaVersion: 2, manifests: [at.descriptor] });
      at = blobOf(MEDIA_TYPES.ociIndex, text);
      documents.push(at.member);
    }
    const loading = to.images.load(
      archive([mine], ...documents, indexJson(named(at.descriptor, 'm:1'))),
      QUIET,
    );
    if (depth > 4) await expect(loading).rejects.toThrow('nested too deep');
    else expect(await loading).toEqual(['m:1']);
  });
});

test('what a save needs stays until it has ended', async () => {
  const to = fresh();
  const image = ociImage(host, (tar) => gzipSync(tar));
  await to.images.load(archive([image], indexJson(named(image.manifest.descriptor, 'a:1'))), QUIET);
  const whole = (await bytesOf(await to.images.save(['a:1']))).byteLength;
  for (const leave of [false, true]) {
    await to.images.load(archive([image], indexJson(named(image.manifest.descriptor, 'a:1'))), QUIET);
    const saved = await to.images.save(['a:1']);
    await to.images.remove('a:1', { force: false, noPrune: false });
    expect(to.snapshotter.listLayers()).toHaveLength(1);
    if (leave) await saved.cancel();
    else expect((await bytesOf(saved)).byteLength).toBe(whole);
    await Bun.sleep(50);
    expect(to.snapshotter.listLayers()).toEqual([]);
  }
});
