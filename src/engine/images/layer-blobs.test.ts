import { afterAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { MemoryContent } from '../../../test/support/memory-content.ts';
import { BlockGzip } from '../../archive/block-gzip.ts';
import { streamOf } from '../../base/streams.ts';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { Database } from '../../store/database.ts';
import { LayerBlobTable } from '../../store/tables/layer-blobs.ts';
import { LayerBlobStore } from './layer-blobs-store.ts';

const encoder = new BlockGzip(2);
afterAll(() => encoder.close());

const TAR = Buffer.concat([randomBytes(300_000), Buffer.alloc(2_000_000)]);
const DIFF_ID = digestOf(TAR);

function open(database = new Database(':memory:'), content = new MemoryContent()) {
  const tars = new Map([[DIFF_ID, TAR]]);
  const snapshotter = {
    layer: (diffId: string) => {
      const tar = tars.get(diffId);
      return tar && { diffId, size: tar.byteLength, tarSize: tar.byteLength };
    },
    layerTar: (diffId: string) => streamOf(once(tars.get(diffId) ?? Buffer.alloc(0))),
  };
  const rows = new LayerBlobTable(database);
  return { blobs: new LayerBlobStore({ rows, content, snapshotter, encoder }), database, content, tars };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function all(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(stream));
}

/** `.rejects` of Bun holds the thread while it waits, and then no Worker's answer comes in. */
function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: Error) => error.message,
  );
}

describe('a layer that was compressed once', () => {
  test('is made again from its recipe, byte for byte, also by the next daemon', async () => {
    const first = open();
    const made = first.blobs.compress(DIFF_ID);
    const bytes = await all(made.bytes);
    const form = await made.form;
    expect(form.descriptor).toEqual({
      mediaType: MEDIA_TYPES.dockerLayerGzip,
      digest: digestOf(bytes),
      size: bytes.byteLength,
    });
    expect(gunzipSync(bytes).equals(TAR)).toBe(true);

    const { blobs } = open(first.database);
    expect(blobs.forms(DIFF_ID)).toEqual([form]);
    expect((await all(blobs.stream(form.descriptor.digest))).equals(bytes)).toBe(true);
    const rest = await all(blobs.stream(form.descriptor.digest, 1000));
    expect(rest.equals(bytes.subarray(1000))).toBe(true);
  });

  test('is told by its bytes when the layer is not what it was', async () => {
    const { blobs, tars } = open();
    const form = await blobs.ensure(DIFF_ID);
    tars.set(DIFF_ID, Buffer.from('changed on disk'));
    expect(await failureOf(all(blobs.stream(form.descriptor.digest)))).toContain(
      'does not give the compressed form',
    );
  });

  test('has no form when it was not read to its end', async () => {
    const { blobs } = open();
    const made = blobs.compress(DIFF_ID);
    for await (const _ of made.bytes) break;
    expect(await failureOf(made.form)).toContain('the compression was ended');
    expect(blobs.forms(DIFF_ID)).toEqual([]);
  });

  test('an encoder that this program does not have makes nothing', async () => {
    const { blobs, database } = open();
    const form = await blobs.ensure(DIFF_ID);
    database.sqlite.exec("UPDATE layer_blobs SET encoder = 'gzip-of-another-tare'");
    const next = open(database).blobs;
    expect(next.forms(DIFF_ID)).toEqual([]);
    expect(next.find(form.descriptor.digest)).toBeUndefined();
    expect((await next.ensure(DIFF_ID)).descriptor).toEqual(form.descriptor);
  });
});

describe('a pulled form', () => {
  test('counts while its blob is there, before what would have to be made', async () => {
    const { blobs, content } = open();
    const blob = gzipSync(TAR);
    const descriptor = await content.put(MEDIA_TYPES.ociLayerGzip, blob);
    await blobs.ensure(DIFF_ID);
    blobs.pulled([{ diffId: DIFF_ID, descriptor }]);
    expect(blobs.forms(DIFF_ID).map(({ from }) => from)).toEqual(['content', 'recipe']);
    expect((await all(blobs.stream(descriptor.digest, 7))).equals(blob.subarray(7))).toBe(true);
    await content.remove(descriptor.digest);
    expect(blobs.forms(DIFF_ID).map(({ from }) => from)).toEqual(['recipe']);
    expect(blobs.find(descriptor.digest)).toBeUndefined();
  });

  test('needs no blob when a recipe makes the same bytes', async () => {
    const { blobs } = open();
    const { descriptor } = await blobs.ensure(DIFF_ID);
    blobs.pulled([{ diffId: DIFF_ID, descriptor }]);
    expect(blobs.find(descriptor.digest)?.from).toBe('recipe');
  });
});

test('the plain tar is a form of every layer', async () => {
  const { blobs } = open();
  expect(blobs.find(DIFF_ID)).toEqual({
    diffId: DIFF_ID,
    descriptor: { mediaType: MEDIA_TYPES.ociLayer, digest: DIFF_ID, size: TAR.byteLength },
    from: 'layer',
  });
  expect((await all(blobs.stream(DIFF_ID, 5))).equals(TAR.subarray(5))).toBe(true);
  expect(() => blobs.stream(digestOf('nobody'))).toThrow('no such blob');
  expect(() => blobs.compress(digestOf('nobody'))).toThrow('pull the image again');
});

test('repositories are kept, the last seen first, and go with the layer', async () => {
  const { blobs, database } = open();
  const { descriptor } = await blobs.ensure(DIFF_ID);
  blobs.seenIn('host:5000/a', [descriptor.digest]);
  await Bun.sleep(2);
  blobs.seenIn('host:5000/b', [descriptor.digest]);
  const next = open(database).blobs;
  expect(next.repositoriesOf(descriptor.digest)).toEqual(['host:5000/b', 'host:5000/a']);
  next.retain((diffId) => diffId === DIFF_ID);
  expect(next.repositoriesOf(descriptor.digest)).toHaveLength(2);
  next.retain(() => false);
  expect(next.repositoriesOf(descriptor.digest)).toEqual([]);
  const left = open(database).blobs;
  expect(left.forms(DIFF_ID)).toEqual([]);
  expect(left.repositoriesOf(descriptor.digest)).toEqual([]);
});

describe('a pulled form that our encoder makes', () => {
  test('is found out, and then needs its blob no more', async () => {
    const { blobs, content, database } = open();
    const bytes = Buffer.concat(await Array.fromAsync(encoder.encode(once(TAR))));
    const descriptor = await content.put(MEDIA_TYPES.ociLayerGzip, bytes);
    blobs.pulled([{ diffId: DIFF_ID, descriptor }]);
    expect(blobs.find(descriptor.digest)?.from).toBe('content');
    expect(await blobs.reproduces(descriptor.digest)).toBe(true);
    await content.remove(descriptor.digest);
    const next = open(database).blobs;
    expect(next.find(descriptor.digest)).toMatchObject({ from: 'recipe', descriptor });
    expect((await all(next.stream(descriptor.digest))).equals(bytes)).toBe(true);
  });

  test('somebody else’s gzip is not ours, nor is zstd', async () => {
    const { blobs, content } = open();
    const gzip = await content.put(MEDIA_TYPES.ociLayerGzip, gzipSync(TAR));
    const zstd = await content.put(MEDIA_TYPES.ociLayerZstd, Buffer.from('zstd'));
    blobs.pulled([
      { diffId: DIFF_ID, descriptor: gzip },
      { diffId: DIFF_ID, descriptor: zstd },
    ]);
    expect(await blobs.reproduces(gzip.digest)).toBe(false);
    expect(await blobs.reproduces(zstd.digest)).toBe(false);
    expect(await blobs.reproduces(`sha256:${'0'.repeat(64)}`)).toBe(false);
  });
});
