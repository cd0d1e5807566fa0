import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { existsSync, statSync, utimesSync } from 'node:fs';
import { until } from '../../../test/support/command.ts';
import { FakeRegistry } from '../../../test/support/fake-registry.ts';
import { codeOf, TestRegistry } from '../../../test/support/registry-server.ts';
import { digestOf } from '../../oci/digest.ts';
import { GrowingBlob } from './growing-blob.ts';

let upstream: FakeRegistry;
let cache: TestRegistry;
beforeEach(async () => {
  upstream = await FakeRegistry.start();
  cache = await TestRegistry.start({ proxies: [`up.example=http://${upstream.host}`] });
});
afterEach(async () => {
  await cache[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const get = (path: string, headers: Record<string, string> = {}) => cache.request(path, { headers });
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());
const blobsAsked = () => upstream.paths().filter((path) => path.includes('/blobs/')).length;

describe('pull-through', () => {
  test('by path and by ns: fetched once, then from the cache, also without upstream', async () => {
    const image = upstream.image('team/app', 'v1', [randomBytes(3_000_000)]);
    const layer = image.manifest.layers[0]?.digest ?? '';
    for (const [prefix, query] of [
      ['up.example/team/app', ''],
      ['team/app', '?ns=up.example'],
    ]) {
      const manifest = await get(`/v2/${prefix}/manifests/v1${query}`);
      expect(manifest.headers.get('docker-content-digest')).toBe(image.digest);
      expect(digestOf(await bytesOf(manifest))).toBe(image.digest);
      const blob = await get(`/v2/${prefix}/blobs/${layer}${query}`);
      expect(blob.status).toBe(200);
      expect(digestOf(await bytesOf(blob))).toBe(layer);
    }
    expect(blobsAsked()).toBe(1);
    expect((await get(`/v2/up.example/team/app/blobs/${layer}`, { Range: 'bytes=5-9' })).status).toBe(206);
    await upstream[Symbol.asyncDispose]();
    expect((await get('/v2/up.example/team/app/manifests/v1')).headers.get('docker-content-digest')).toBe(
      image.digest,
    );
    expect((await get(`/v2/up.example/team/app/manifests/${image.digest}`)).status).toBe(200);
    expect((await get(`/v2/up.example/team/app/blobs/${layer}`)).status).toBe(200);
    const config = await get(`/v2/up.example/team/app/blobs/${image.manifest.config.digest}`);
    expect([config.status, config.headers.get('retry-after')]).toEqual([503, '20']);
  });

  test('a tag that moved is seen, one that went is gone, a stale one serves while upstream is away', async () => {
    const ask = async () =>
      (await get('/v2/up.example/app/manifests/t')).headers.get('docker-content-digest');
    const first = upstream.image('app', 't', [randomBytes(10)]);
    expect(await ask()).toBe(first.digest);
    const second = upstream.image('app', 't', [randomBytes(10)]);
    expect(await ask()).toBe(second.digest);
    let failing = true;
    upstream.faults.push((_, response) => {
      if (failing) response.writeHead(503).end();
      return failing;
    });
    upstream.manifests.delete('app:t');
    expect(await ask()).toBe(second.digest);
    failing = false;
    await cache.restart();
    expect((await get('/v2/up.example/app/manifests/t')).status).toBe(404);
    expect((await get(`/v2/up.example/app/manifests/${second.digest}`)).status).toBe(200);
  });

  test('many at once ask upstream once', async () => {
    const image = upstream.image('app', 'v', [randomBytes(500_000)]);
    const layer = image.manifest.layers[0]?.digest ?? '';
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () =>
        digestOf(await bytesOf(await get(`/v2/up.example/app/blobs/${layer}`))),
      ),
    );
    expect(new Set(answers)).toEqual(new Set([layer]));
    expect(blobsAsked()).toBe(1);
  });

  test('a cut is gone on from, also after a restart', async () => {
    const bytes = randomBytes(4_000_000);
    const { digest } = upstream.blob(bytes);
    let cuts = 2;
    upstream.faults.push((request, response, path) => {
      if (!path.includes('/blobs/') || cuts-- <= 0) return false;
      const from = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
      const range = { 'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
      response.writeHead(from > 0 ? 206 : 200, {
        'Content-Length': bytes.length - from,
        ...(from > 0 ? range : {}),
      });
      response.write(bytes.subarray(from, from + 1_000_000), () => setTimeout(() => response.destroy(), 20));
      return true;
    });
    expect(digestOf(await bytesOf(await get(`/v2/up.example/app/blobs/${digest}`)))).toBe(digest);
    const ranges = upstream.seen
      .filter(({ path }) => path.includes('/blobs/'))
      .map(({ range }) => range ?? '');
    expect(ranges).toHaveLength(3);
    expect(ranges.slice(1).every((range) => /^bytes=\d{6,}-$/.test(range))).toBe(true);
  }, 20_000);

  test('a blob that is not what it should be ends before its end and is not kept', async () => {
    const { digest } = upstream.blob(randomBytes(300_000));
    upstream.blobs.set(digest, randomBytes(300_000));
    const answer = await get(`/v2/up.example/app/blobs/${digest}`)
      .then(bytesOf)
      .then(
        (bytes) => bytes.byteLength,
        () => 'cut',
      );
    expect(answer).not.toBe(300_000);
    expect((await cache.request(`/v2/up.example/app/blobs/${digest}`, { method: 'HEAD' })).status).toBe(200);
    expect(upstream.seen.at(-1)?.path).toContain(digest);
  });

  test('a manifest that is not what its digest says is refused', async () => {
    const image = upstream.image('app', 'v', []);
    upstream.manifests.set(`app@${image.digest}`, {
      bytes: new TextEncoder().encode('{}'),
      mediaType: image.mediaType,
    });
    expect((await get(`/v2/up.example/app/manifests/${image.digest}`)).status).toBe(503);
    expect((await get('/v2/up.example/app/manifests/v')).status).toBe(200);
  });

  test('a blob of another repository here must be upstream too', async () => {
    const secret = randomBytes(100);
    const digest = await cache.pushBlob('secret', secret);
    expect((await get(`/v2/up.example/app/blobs/${digest}`)).status).toBe(404);
    upstream.blob(secret);
    expect(await bytesOf(await get(`/v2/up.example/app/blobs/${digest}`))).toEqual(new Uint8Array(secret));
  });

  test('nothing can be pushed or deleted there; other names are here', async () => {
    const post = await cache.request('/v2/up.example/app/blobs/uploads/', { method: 'POST' });
    expect([post.status, await codeOf(post)]).toEqual([405, 'UNSUPPORTED']);
    const gone = await cache.request(`/v2/up.example/app/manifests/${digestOf('x')}`, { method: 'DELETE' });
    expect(gone.status).toBe(405);
    await cache.pushImage('app', 'own', [randomBytes(5)]);
    expect((await get('/v2/app/manifests/own')).status).toBe(200);
    expect((await get('/v2/app/manifests/own?ns=elsewhere.example')).status).toBe(200);
  });

  test('credentials go upstream and not to the client', async () => {
    upstream.auth = 'basic';
    upstream.user = { name: 'me', password: 'p@ss' };
    const image = upstream.image('app', 'v', []);
    await using other = await TestRegistry.start({
      proxies: [`up.example=http://me:p%40ss@${upstream.host}`],
    });
    expect((await other.request('/v2/up.example/app/manifests/v')).headers.get('docker-content-digest')).toBe(
      image.digest,
    );
    const refused = await get('/v2/up.example/app/manifests/v');
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([403, null]);
  });

  test('several upstreams, and tags and referrers of ours as upstream', async () => {
    await using origin = await TestRegistry.start();
    const image = await origin.pushImage('lib/x', 'a', [randomBytes(5)]);
    const subject = { mediaType: image.mediaType, digest: image.digest, size: image.size };
    await origin.pushImage('lib/x', 'b', [], { subject, artifactType: 'application/x' });
    await using both = await TestRegistry.start({
      proxies: [`one.example=http://${upstream.host}`, `two.example:5000=${origin.url}`],
    });
    upstream.image('lib/x', 'c', []);
    expect((await both.request('/v2/one.example/lib/x/manifests/c')).status).toBe(200);
    expect((await both.request('/v2/two.example_5000/lib/x/manifests/a')).status).toBe(200);
    expect((await both.request('/v2/lib/x/manifests/c?ns=two.example:5000')).status).toBe(404);
    const tags = await both.request('/v2/lib/x/tags/list?ns=two.example:5000&n=1');
    expect(await tags.json()).toEqual({ name: 'lib/x', tags: ['a'] });
    expect(tags.headers.get('link')).toBe(
      '</v2/lib/x/tags/list?ns=two.example%3A5000&n=1&last=a>; rel="next"',
    );
    const referrers = await both.request(
      `/v2/two.example_5000/lib/x/referrers/${image.digest}?artifactType=application/x`,
    );
    expect(((await referrers.json()) as { manifests: unknown[] }).manifests).toHaveLength(1);
  });
});

describe('GrowingBlob', () => {
  const read = async (stream: ReadableStream<Uint8Array>) => Buffer.concat(await Array.fromAsync(stream));
  const whole = randomBytes(20_000_000);
  const open = () => new Blob([whole]).stream();

  test('early, late and slow readers get the same bytes', async () => {
    const blob = new GrowingBlob(whole.length, 0);
    const early = read(blob.read());
    const slow = blob.read();
    for (let at = 0; at < whole.length; at += 1_000_000) {
      blob.add(whole.subarray(at, at + 1_000_000));
      if (at === 5_000_000) await Bun.sleep(1);
    }
    const late = read(blob.read());
    blob.complete(open);
    for (const bytes of [await early, await late, await read(slow)])
      expect(Buffer.compare(bytes, whole)).toBe(0);
  });

  test('a failure reaches all, and nobody has the end', async () => {
    const blob = new GrowingBlob(10, 0);
    const reader = blob.read().getReader();
    blob.add(new Uint8Array(6));
    expect((await reader.read()).value).toHaveLength(6);
    blob.add(new Uint8Array(4));
    blob.fail(new Error('wrong digest'));
    expect(reader.read()).rejects.toThrow('wrong digest');
    expect(read(blob.read())).rejects.toThrow('wrong digest');
  });

  test('what an earlier fetch left comes from the file', async () => {
    const blob = new GrowingBlob(whole.length, 1000);
    const reading = read(blob.read());
    blob.add(whole.subarray(1000));
    blob.complete(open);
    expect(Buffer.compare(await reading, whole)).toBe(0);
  });
});

describe('a limit of the size', () => {
  const isStored = (digest: string) => existsSync(blobFile(digest));
  const blobFile = (digest: string) => `${cache.root}/content/blobs/${digest.replace(':', '/')}`;
  /** As if it had been asked for so many seconds ago. */
  const age = (digest: string, seconds: number) =>
    utimesSync(blobFile(digest), Date.now() / 1000 - seconds, Date.now() / 1000);

  test('what was asked for the longest ago goes, and is fetched again', async () => {
    await cache[Symbol.asyncDispose]();
    cache = await TestRegistry.start({
      proxies: [`up.example=http://${upstream.host}`],
      proxyCacheSize: 1_100_000,
    });
    const layers = ['a', 'b', 'c', 'd'].map(
      (tag) => upstream.image('app', tag, [randomBytes(300_000)]).manifest.layers[0]?.digest ?? '',
    );
    const [a = '', b = '', c = '', d = ''] = layers;
    const fetched = async (digest: string) => {
      expect(digestOf(await bytesOf(await get(`/v2/up.example/app/blobs/${digest}`)))).toBe(digest);
      await until('it is stored', async () => isStored(digest));
    };
    for (const digest of [a, b, c]) await fetched(digest);
    for (const [i, digest] of [a, b, c].entries()) age(digest, 1000 - i);
    // Read again, it is the youngest.
    await fetched(a);
    await until('its time is set', async () => statSync(blobFile(a)).atimeMs > Date.now() - 60_000);
    await fetched(d);
    await until('the oldest is gone', async () => !isStored(b));
    expect([a, c, d].map(isStored)).toEqual([true, true, true]);
    const asked = blobsAsked();
    await fetched(b);
    expect(blobsAsked()).toBe(asked + 1);
  });

  test('what was pushed here stays, and a smaller limit counts at the next start', async () => {
    const image = upstream.image('app', 'v', [randomBytes(300_000)]);
    const layer = image.manifest.layers[0]?.digest ?? '';
    await bytesOf(await get(`/v2/up.example/app/blobs/${layer}`));
    await until('it is stored', async () => isStored(layer));
    const mine = randomBytes(400_000);
    const pushed = await cache.request(`/v2/mine/blobs/uploads/?digest=${digestOf(mine)}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: mine,
    });
    expect(pushed.status).toBe(201);
    for (const digest of [layer, digestOf(mine)]) age(digest, 1000);
    const { root } = cache;
    await cache.running.close();
    cache = await TestRegistry.start({ ...cache.settings, root, proxyCacheSize: 1000 });
    await until('the cache is empty', async () => !isStored(layer));
    expect(isStored(digestOf(mine))).toBe(true);
  });
});
