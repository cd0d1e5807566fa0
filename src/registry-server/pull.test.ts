/** The specification's category "Pull", over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { codeOf, TestRegistry } from '../../test/support/registry-server.ts';
import { digestOf } from '../oci/digest.ts';
import { MEDIA_TYPES } from '../oci/manifest.ts';

const LAYER = randomBytes(300_000);
let registry: TestRegistry;
let image: Awaited<ReturnType<TestRegistry['pushImage']>>;
const layer = digestOf(LAYER);

beforeAll(async () => {
  registry = await TestRegistry.start();
  image = await registry.pushImage('team/app', 'v1', [LAYER]);
});
afterAll(() => registry[Symbol.asyncDispose]());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  registry.request(path, { method, headers });

test('/v2/ says that this is a registry', async () => {
  const response = await get('/v2/');
  expect(response.status).toBe(200);
  expect(response.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
  expect(await response.text()).toBe('{}');
});

describe('manifests', () => {
  test.each(['v1', 'digest'])('by %s: the bytes as they were pushed', async (by) => {
    const path = `/v2/team/app/manifests/${by === 'digest' ? image.digest : by}`;
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(MEDIA_TYPES.ociManifest);
    expect(response.headers.get('docker-content-digest')).toBe(image.digest);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(image.bytes);
    const head = await get(path, {}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(image.size)]);
    expect(head.headers.get('docker-content-digest')).toBe(image.digest);
    expect(await head.text()).toBe('');
  });

  test('a client that has it is told so', async () => {
    const response = await get('/v2/team/app/manifests/v1', { 'If-None-Match': `"${image.digest}"` });
    expect([response.status, await response.text()]).toEqual([304, '']);
    const other = await get('/v2/team/app/manifests/v1', { 'If-None-Match': '"sha256:00"' });
    expect(other.status).toBe(200);
  });

  test('what is not there', async () => {
    for (const path of ['app/manifests/v2', 'other/manifests/v1', `app/manifests/sha256:${'0'.repeat(64)}`]) {
      const response = await get(`/v2/team/${path}`);
      expect([response.status, await codeOf(response)]).toEqual([404, 'MANIFEST_UNKNOWN']);
    }
    const response = await get('/v2/team/app/manifests/.INVALID');
    expect(response.status).toBe(404);
    const digest = await get('/v2/team/app/manifests/sha256:baddigeststring');
    expect([digest.status, await codeOf(digest)]).toEqual([400, 'DIGEST_INVALID']);
  });

  test('a manifest is not visible from another repository', async () => {
    await registry.pushImage('team/second', 'x', [LAYER]);
    expect((await get(`/v2/team/second/manifests/${image.digest}`)).status).toBe(200);
    await registry.pushImage('team/third', 'x', [randomBytes(10)]);
    expect((await get(`/v2/team/third/manifests/${image.digest}`)).status).toBe(404);
  });
});

describe('Accept', () => {
  const ask = (reference: string, accept: string) =>
    get(`/v2/accept/manifests/${reference}`, { Accept: accept });
  let list: string;
  let plain: string;

  beforeAll(async () => {
    const { document } = await registry.pushImage('accept', 'oci', [LAYER]);
    const docker = {
      ...document,
      mediaType: MEDIA_TYPES.dockerManifest,
      config: { ...document.config, mediaType: MEDIA_TYPES.dockerConfig },
    };
    await registry.putManifest('accept', 'docker', docker, MEDIA_TYPES.dockerManifest);
    const bytes = JSON.stringify(docker);
    plain = digestOf(bytes);
    const manifests = ['arm64', 'amd64'].map((architecture) => ({
      mediaType: MEDIA_TYPES.dockerManifest,
      digest: plain,
      size: bytes.length,
      platform: { os: 'linux', architecture },
    }));
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.dockerList, manifests };
    expect((await registry.putManifest('accept', 'list', index, MEDIA_TYPES.dockerList)).status).toBe(201);
    list = digestOf(JSON.stringify(index));
  });

  test('no header, */* and the right type get what is there', async () => {
    for (const accept of ['', '*/*', `text/html, ${MEDIA_TYPES.ociManifest};q=0.5`]) {
      expect((await ask('oci', accept)).status).toBe(200);
    }
  });

  test('a client that does not know OCI documents is told that there is none', async () => {
    const response = await ask('oci', MEDIA_TYPES.dockerManifest);
    expect([response.status, await codeOf(response)]).toEqual([404, 'MANIFEST_UNKNOWN']);
  });

  test('a client without lists gets the manifest for linux/amd64 by tag, and what a digest names', async () => {
    const byTag = await ask('list', MEDIA_TYPES.dockerManifest);
    expect(byTag.headers.get('docker-content-digest')).toBe(plain);
    expect(byTag.headers.get('content-type')).toBe(MEDIA_TYPES.dockerManifest);
    const byDigest = await ask(list, MEDIA_TYPES.dockerManifest);
    expect(byDigest.headers.get('content-type')).toBe(MEDIA_TYPES.dockerList);
  });
});

describe('blobs', () => {
  test('GET and HEAD', async () => {
    const response = await get(`/v2/team/app/blobs/${layer}`);
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '300000']);
    expect(response.headers.get('docker-content-digest')).toBe(layer);
    expect(Buffer.compare(Buffer.from(await response.arrayBuffer()), LAYER)).toBe(0);
    const head = await get(`/v2/team/app/blobs/${layer}`, {}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '300000']);
    expect((await get(`/v2/team/app/blobs/${layer.replace(':', '%3A')}`, {}, 'HEAD')).status).toBe(200);
  });

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=100-199', 100, 199],
    ['bytes=299990-', 299_990, 299_999],
    ['bytes=299990-999999', 299_990, 299_999],
    ['bytes=-10', 299_990, 299_999],
    ['bytes=-999999', 0, 299_999],
  ])('%s', async (range, first, last) => {
    const response = await get(`/v2/team/app/blobs/${layer}`, { Range: range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${first}-${last}/300000`);
    expect(response.headers.get('content-length')).toBe(String(last - first + 1));
    const body = Buffer.from(await response.arrayBuffer());
    expect(Buffer.compare(body, LAYER.subarray(first, last + 1))).toBe(0);
  });

  test.each(['bytes=300000-', 'bytes=-0'])('%s lies outside', async (range) => {
    const response = await get(`/v2/team/app/blobs/${layer}`, { Range: range });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */300000']);
  });

  test.each(['lines=1-2', 'bytes=5-4', 'bytes=x-', 'bytes=0-1,5-6'])(
    '%s is answered whole',
    async (range) => {
      const response = await get(`/v2/team/app/blobs/${layer}`, { Range: range });
      expect(response.status).toBe(200);
      expect((await response.arrayBuffer()).byteLength).toBe(300_000);
    },
  );

  test('If-Range and If-None-Match', async () => {
    const path = `/v2/team/app/blobs/${layer}`;
    expect((await get(path, { Range: 'bytes=0-1', 'If-Range': `"${layer}"` })).status).toBe(206);
    expect((await get(path, { Range: 'bytes=0-1', 'If-Range': '"other"' })).status).toBe(200);
    expect((await get(path, { 'If-None-Match': `W/"${layer}"` })).status).toBe(304);
  });

  test('a blob is visible only where it was pushed', async () => {
    const response = await get(`/v2/team/none/blobs/${layer}`);
    expect([response.status, await codeOf(response)]).toEqual([404, 'BLOB_UNKNOWN']);
    expect((await get('/v2/team/app/blobs/sha256:xyz')).status).toBe(400);
  });
});

test('names and methods', async () => {
  for (const name of ['Upper', 'a//b', '-a', 'a-', 'a..b', 'a___b', `${'a/'.repeat(128)}b`]) {
    const response = await get(`/v2/${name}/tags/list`);
    expect([name, response.status, await codeOf(response)]).toEqual([name, 400, 'NAME_INVALID']);
  }
  for (const name of ['a__b/c.d/e---f/0', 'blobs/uploads', 'manifests/tags']) {
    expect((await get(`/v2/${name}/tags/list`)).status).toBe(404);
  }
  const wrong = await get('/v2/team/app/tags/list', {}, 'POST');
  expect([wrong.status, wrong.headers.get('allow'), await codeOf(wrong)]).toEqual([
    405,
    'GET',
    'UNSUPPORTED',
  ]);
  expect((await get('/elsewhere')).status).toBe(404);
  expect((await get('/v2/../../etc/passwd')).status).toBe(404);
});
