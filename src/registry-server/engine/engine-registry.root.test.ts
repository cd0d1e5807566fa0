/** The engine's own images, served to another engine. Root: layers are real ones. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { file, ImageLab, QUIET, type Setup, stream, tarOf } from '../../../test/support/image-lab.ts';
import { codeOf, TestRegistry } from '../../../test/support/registry-server.ts';
import { silentLogger } from '../../base/log.ts';
import { serveEngine } from '../../daemon/registry-engine.ts';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { RegistryClient } from '../../registry-client/client.ts';

const LAYERS = [tarOf(file('low', randomBytes(2_000_000))), tarOf(file('high', 'text '.repeat(50_000)))];
const CONFIG = JSON.stringify({
  architecture: 'amd64',
  os: 'linux',
  config: { Cmd: ['true'] },
  rootfs: { type: 'layers', diff_ids: LAYERS.map((layer) => digestOf(layer)) },
});

const lab = new ImageLab();
afterAll(() => lab.close());

const signal = new AbortController().signal;
const fresh = (): Setup => lab.fresh(undefined, new RegistryClient({ retryDelayMs: 1 }));
const options = (address = '127.0.0.1:0') => ({
  address,
  tlsCertificate: '',
  tlsKey: '',
  htpasswd: '',
  authConfig: '',
});
const pull = (setup: Setup, name: string) => setup.images.pull(name, { report: () => {}, signal });
const blobsOf = (setup: Setup) => Array.fromAsync(setup.content.list());

/** An engine whose images are served. */
async function serving() {
  const setup = fresh();
  const served = serveEngine(options(), setup.images.distribution(), silentLogger);
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`http://${served.address}${path}`, { proxy: false, ...init } as RequestInit);
  return { setup, get, ...served };
}

describe('a pulled image', () => {
  let origin: TestRegistry;
  let digest: string;
  beforeAll(async () => {
    origin = await TestRegistry.start();
    const layers = LAYERS.map((layer) => new Uint8Array(gzipSync(layer, { level: 3 })));
    const descriptors = [];
    for (const bytes of layers) {
      const blob = await origin.pushBlob('team/app', bytes);
      descriptors.push({ mediaType: MEDIA_TYPES.ociLayerGzip, digest: blob, size: bytes.byteLength });
    }
    const config = new TextEncoder().encode(CONFIG);
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: {
        mediaType: MEDIA_TYPES.ociConfig,
        digest: await origin.pushBlob('team/app', config),
        size: config.byteLength,
      },
      layers: descriptors,
      annotations: { kept: 'as it is' },
    };
    digest = digestOf(JSON.stringify(document));
    expect((await origin.putManifest('team/app', 'v1', document)).status).toBe(201);
  });
  afterAll(() => origin[Symbol.asyncDispose]());

  test('has its original digests for another engine, under each of its names', async () => {
    const first = await serving();
    try {
      await pull(first.setup, `${origin.host}/team/app:v1`);
      const second = fresh();
      const prefix = origin.host.replace(':', '_');
      for (const name of [`${prefix}/team/app`, 'team/app']) {
        const image = await pull(second, `${first.address}/${name}:v1`);
        expect(image.repoDigests).toContain(`${first.address}/${name}@${digest}`);
        await pull(second, `${first.address}/${name}@${digest}`);
      }
      const byNamespace = await first.get(`/v2/team/app/manifests/v1?ns=${origin.host}`, { method: 'HEAD' });
      expect(byNamespace.headers.get('docker-content-digest')).toBe(digest);
      const catalog = await (await first.get('/v2/_catalog')).json();
      expect(catalog).toEqual({ repositories: [`${prefix}/team/app`] });
      const tags = await first.get('/v2/team/app/tags/list');
      expect(await tags.json()).toEqual({ name: 'team/app', tags: ['v1'] });
    } finally {
      await first.close();
    }
  });
});

describe('an image that was made here', () => {
  const archive = (name: string) =>
    stream(
      tarOf(
        file('config.json', CONFIG),
        file('low.tar', LAYERS[0] ?? ''),
        file('high.tar', LAYERS[1] ?? ''),
        file(
          'manifest.json',
          JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['low.tar', 'high.tar'] }]),
        ),
      ),
    );

  test('is pulled at once, without a copy of its layers here', async () => {
    const first = await serving();
    try {
      await first.setup.images.load(archive('made:v1'), QUIET);
      const before = await blobsOf(first.setup);
      const second = fresh();
      const image = await pull(second, `${first.address}/made:v1`);
      expect(image.id).toBe(digestOf(CONFIG));
      expect(await blobsOf(first.setup)).toEqual(before);

      const head = await first.get('/v2/library/made/manifests/v1', { method: 'HEAD' });
      const digest = head.headers.get('docker-content-digest') ?? '';
      expect(image.repoDigests).toEqual([`${first.address}/made@${digest}`]);
      const manifest = (await (await first.get(`/v2/made/manifests/${digest}`)).json()) as {
        layers: { digest: string; size: number }[];
      };
      for (const [i, layer] of manifest.layers.entries()) {
        const path = `/v2/made/blobs/${layer.digest}`;
        const { headers } = await first.get(path, { method: 'HEAD' });
        expect(headers.get('content-length')).toBe(String(layer.size));
        const blob = await first.get(path);
        const bytes = new Uint8Array(await blob.arrayBuffer());
        expect(digestOf(bytes)).toBe(layer.digest);
        expect(digestOf(gunzipSync(bytes))).toBe(digestOf(LAYERS[i] ?? ''));
        const part = await first.get(`/v2/made/blobs/${layer.digest}`, { headers: { Range: 'bytes=10-99' } });
        expect([
          part.status,
          Buffer.compare(Buffer.from(await part.arrayBuffer()), bytes.subarray(10, 100)),
        ]).toEqual([206, 0]);
      }
      // A push from here makes the same manifest.
      await using elsewhere = await TestRegistry.start();
      await first.setup.images.tag('made:v1', `${elsewhere.host}/made:v1`);
      await first.setup.images.push(`${elsewhere.host}/made:v1`, { report: () => {}, signal });
      const pushed = await elsewhere.request('/v2/made/manifests/v1', { method: 'HEAD' });
      expect(pushed.headers.get('docker-content-digest')).toBe(digest);
    } finally {
      await first.close();
    }
  });

  test('shows nothing under names that it does not have, and takes no pushes', async () => {
    const first = await serving();
    try {
      await first.setup.images.load(archive('private:v1'), QUIET);
      await first.setup.images.importTar(stream(tarOf(file('x', 'y'))), {
        reference: 'public:v1',
        changes: [],
        message: '',
        report: () => {},
      } as never);
      const { layers } = (await (await first.get('/v2/private/manifests/v1')).json()) as {
        layers: { digest: string }[];
      };
      const blob = layers[0]?.digest ?? '';
      expect((await first.get(`/v2/private/blobs/${blob}`, { method: 'HEAD' })).status).toBe(200);
      const foreign = await first.get(`/v2/public/blobs/${blob}`);
      expect([foreign.status, await codeOf(foreign)]).toEqual([404, 'BLOB_UNKNOWN']);
      expect((await first.get('/v2/public/manifests/v2')).status).toBe(404);
      expect((await first.get('/v2/none/tags/list')).status).toBe(404);
      const push = await first.get('/v2/private/blobs/uploads/', { method: 'POST' });
      expect([push.status, await codeOf(push)]).toEqual([405, 'UNSUPPORTED']);
      await first.setup.images.remove('private:v1', { force: false, noPrune: false });
      expect((await first.get('/v2/private/manifests/v1')).status).toBe(404);
      expect((await first.get(`/v2/private/blobs/${blob}`)).status).toBe(404);
    } finally {
      await first.close();
    }
  });
});
