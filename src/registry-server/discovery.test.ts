/** The specification's categories "Content Discovery" and "Content Management", over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { codeOf, TestRegistry } from '../../test/support/registry-server.ts';
import { digestOf } from '../oci/digest.ts';
import { MEDIA_TYPES } from '../oci/manifest.ts';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
});
afterAll(() => registry[Symbol.asyncDispose]());

const get = async (path: string) => {
  const response = await registry.request(path);
  return { status: response.status, link: response.headers.get('link'), body: await response.json() };
};
const remove = async (path: string) => (await registry.request(path, { method: 'DELETE' })).status;

describe('tags', () => {
  const TAGS = ['b', 'A', 'a', 'C', '1.10', '1.9', '_x'];
  /** Letters without their case; of two that differ only in case, the capital first. */
  const ORDER = ['1.10', '1.9', '_x', 'A', 'a', 'b', 'C'];

  beforeAll(async () => {
    const { document } = await registry.pushImage('tags/app', 'b', [randomBytes(5)]);
    for (const tag of TAGS) await registry.putManifest('tags/app', tag, document);
  });

  test('all, in order', async () => {
    const { status, body, link } = await get('/v2/tags/app/tags/list');
    expect([status, link]).toEqual([200, null]);
    expect(body).toEqual({ name: 'tags/app', tags: ORDER });
  });

  test('page by page, by the link', async () => {
    const found: string[] = [];
    let path: string | undefined = '/v2/tags/app/tags/list?n=3';
    for (let pages = 0; path !== undefined; pages++) {
      expect(pages).toBeLessThan(3);
      const { body, link } = await get(path);
      found.push(...(body as { tags: string[] }).tags);
      path = /^<(.+)>; rel="next"$/.exec(link ?? '')?.[1];
    }
    expect(found).toEqual(ORDER);
  });

  test('n and last', async () => {
    const tags = async (query: string) => (await get(`/v2/tags/app/tags/list?${query}`)) as never;
    expect(await tags('n=0')).toEqual({
      status: 200,
      link: null,
      body: { name: 'tags/app', tags: [] },
    } as never);
    expect(await tags('n=7')).toMatchObject({ link: null, body: { tags: ORDER } });
    expect(await tags('last=_x')).toMatchObject({ link: null, body: { tags: ORDER.slice(3) } });
    expect(await tags('n=1&last=A')).toMatchObject({ body: { tags: ['a'] } });
    expect(await tags('last=zz')).toMatchObject({ status: 200, body: { tags: [] } });
    expect(await tags('n=-1')).toMatchObject({ status: 400 });
    expect(await tags('n=x')).toMatchObject({ status: 400 });
  });

  test('of a repository that is not there', async () => {
    const response = await registry.request('/v2/tags/none/tags/list');
    expect([response.status, await codeOf(response)]).toEqual([404, 'NAME_UNKNOWN']);
  });
});

describe('catalog', () => {
  test('repositories with manifests, page by page', async () => {
    await using own = await TestRegistry.start();
    const list = async (query: string) => {
      const response = await own.request(`/v2/_catalog${query}`);
      return [(await response.json()) as { repositories: string[] }, response.headers.get('link')] as const;
    };
    expect(await list('')).toEqual([{ repositories: [] }, null]);
    for (const name of ['c', 'a/x', 'b']) await own.pushImage(name, 'v', [randomBytes(5)]);
    await own.pushBlob('only-blobs', randomBytes(5));
    expect(await list('')).toEqual([{ repositories: ['a/x', 'b', 'c'] }, null]);
    expect(await list('?n=2')).toEqual([
      { repositories: ['a/x', 'b'] },
      '</v2/_catalog?n=2&last=b>; rel="next"',
    ]);
    expect(await list('?n=2&last=b')).toEqual([{ repositories: ['c'] }, null]);
  });
});

describe('referrers', () => {
  const list = async (digest: string, query = '') => {
    const response = await registry.request(`/v2/ref/app/referrers/${digest}${query}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(MEDIA_TYPES.ociIndex);
    const body = (await response.json()) as { manifests: Record<string, unknown>[] };
    expect(body).toMatchObject({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex });
    return { manifests: body.manifests, filters: response.headers.get('oci-filters-applied') };
  };

  test('of images, artifacts and indexes, also before the subject is there', async () => {
    const layer = randomBytes(20);
    const subject = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf('later'), size: 5 };
    expect((await list(subject.digest)).manifests).toEqual([]);
    const plain = await registry.pushImage('ref/app', 'plain', [layer], { subject });
    const artifact = await registry.pushImage('ref/app', 'artifact', [layer], {
      subject,
      artifactType: 'application/x.sbom',
      annotations: { by: 'test' },
    });
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [], subject };
    const answer = await registry.putManifest('ref/app', 'index', index, MEDIA_TYPES.ociIndex);
    expect(answer.headers.get('oci-subject')).toBe(subject.digest);
    const { manifests, filters } = await list(subject.digest);
    expect(filters).toBeNull();
    expect(manifests).toHaveLength(3);
    expect(manifests).toContainEqual({
      mediaType: MEDIA_TYPES.ociManifest,
      digest: plain.digest,
      size: plain.size,
      artifactType: MEDIA_TYPES.ociConfig,
    });
    expect(manifests).toContainEqual({
      mediaType: MEDIA_TYPES.ociManifest,
      digest: artifact.digest,
      size: artifact.size,
      artifactType: 'application/x.sbom',
      annotations: { by: 'test' },
    });
    const text = JSON.stringify(index);
    const entry = { mediaType: MEDIA_TYPES.ociIndex, digest: digestOf(text), size: text.length };
    expect(manifests).toContainEqual(entry);

    const filtered = await list(subject.digest, '?artifactType=application%2Fx.sbom');
    expect(filtered.filters).toBe('artifactType');
    expect(filtered.manifests.map(({ digest }) => digest)).toEqual([artifact.digest]);
    expect(await remove(`/v2/ref/app/manifests/${artifact.digest}`)).toBe(202);
    expect((await list(subject.digest)).manifests).toHaveLength(2);
  });

  test('never 404, and 400 for what is no digest', async () => {
    expect((await get(`/v2/ref/none/referrers/${digestOf('x')}`)).status).toBe(200);
    expect((await get('/v2/ref/app/referrers/latest')).status).toBe(400);
  });
});

describe('deletion', () => {
  test('of a tag, a manifest with its tags, and a blob', async () => {
    const { document, digest } = await registry.pushImage('del/app', 'one', [randomBytes(5)]);
    for (const tag of ['two', 'three']) await registry.putManifest('del/app', tag, document);
    const status = async (reference: string) => (await get(`/v2/del/app/manifests/${reference}`)).status;
    expect(await remove('/v2/del/app/manifests/one')).toBe(202);
    expect(await remove('/v2/del/app/manifests/one')).toBe(404);
    expect([await status('one'), await status('two'), await status(digest)]).toEqual([404, 200, 200]);
    expect(await remove(`/v2/del/app/manifests/${digest}`)).toBe(202);
    expect([await status('two'), await status(digest)]).toEqual([404, 404]);
    expect((await get('/v2/del/app/tags/list')).body).toEqual({ name: 'del/app', tags: [] });
    expect(await remove(`/v2/del/none/manifests/${digest}`)).toBe(404);

    const blob = document.layers[0]?.digest ?? '';
    expect(await remove(`/v2/del/app/blobs/${blob}`)).toBe(202);
    expect(await remove(`/v2/del/app/blobs/${blob}`)).toBe(404);
    expect((await registry.request(`/v2/del/app/blobs/${blob}`)).status).toBe(404);
  });

  test('a blob that another repository has stays there', async () => {
    const bytes = randomBytes(30);
    const digest = await registry.pushBlob('del/a', bytes);
    await registry.pushBlob('del/b', bytes);
    expect(await remove(`/v2/del/a/blobs/${digest}`)).toBe(202);
    expect((await registry.request(`/v2/del/b/blobs/${digest}`)).status).toBe(200);
  });

  test.each([
    ['not allowed', { deletes: false, readOnly: false }],
    ['read-only', { deletes: true, readOnly: true }],
  ])('%s', async (_, settings) => {
    await using own = await TestRegistry.start(settings);
    for (const path of [`manifests/v1`, `manifests/${digestOf('x')}`, `blobs/${digestOf('x')}`]) {
      const response = await own.request(`/v2/a/${path}`, { method: 'DELETE' });
      expect([response.status, await codeOf(response)]).toEqual([405, 'UNSUPPORTED']);
    }
    if (!settings.readOnly) return;
    const post = await own.request('/v2/a/blobs/uploads/', { method: 'POST' });
    expect([post.status, await codeOf(post)]).toEqual([405, 'UNSUPPORTED']);
    const put = await own.putManifest('a', 'v', {});
    expect([put.status, await codeOf(put)]).toEqual([405, 'UNSUPPORTED']);
  });
});

test('metrics', async () => {
  await using own = await TestRegistry.start({ metricsAddress: '127.0.0.1:0' });
  await own.pushImage('m/app', 'v', [randomBytes(1000)]);
  await own.request('/v2/m/app/manifests/none');
  const page = await fetch(`http://${own.running.metricsAddress}/metrics`, { proxy: false });
  expect(page.headers.get('content-type')).toContain('text/plain');
  const text = await page.text();
  expect(text).toContain('tare_registry_requests_total{method="GET",endpoint="manifest",code="404"} 1');
  expect(text).toContain('tare_registry_requests_total{method="PUT",endpoint="manifest",code="201"} 1');
  expect(text).toContain('tare_registry_manifests 1\n');
  expect(text).toContain('tare_registry_request_duration_seconds_count{endpoint="manifest"} 2');
  for (const line of text.trimEnd().split('\n')) {
    expect(line).toMatch(
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$/,
    );
  }
});
