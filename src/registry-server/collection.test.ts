import { describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { TestRegistry } from '../../test/support/registry-server.ts';
import { digestOf } from '../oci/digest.ts';
import { MEDIA_TYPES } from '../oci/manifest.ts';

const files = (registry: TestRegistry) => readdirSync(join(registry.root, 'content/blobs/sha256')).sort();
const remove = (registry: TestRegistry, path: string) => registry.request(path, { method: 'DELETE' });
/** Times are compared with `<`: things of the same millisecond are not old yet. */
const age = () => Bun.sleep(5);

describe('garbage collection', () => {
  test('takes what no manifest refers to, and what was deleted', async () => {
    await using registry = await TestRegistry.start({ collectGrace: 0 });
    const kept = await registry.pushImage('a/app', 'v1', [randomBytes(100)]);
    const gone = await registry.pushImage('a/app', 'v2', [randomBytes(200)]);
    await registry.pushBlob('a/app', randomBytes(300));
    await remove(registry, `/v2/a/app/manifests/${gone.digest}`);
    await age();
    const report = await registry.running.collect();
    // Both images have the same config.
    expect(report).toMatchObject({ links: 2, blobs: 3, bytes: 500 + gone.size });
    const { config, layers } = kept.document;
    const expected = [kept.digest, config.digest, layers[0]?.digest ?? ''].map((digest) => digest.slice(7));
    expect(files(registry)).toEqual(expected.sort());
    expect((await registry.request('/v2/a/app/manifests/v1')).status).toBe(200);
    expect(await registry.running.collect()).toMatchObject({ links: 0, blobs: 0 });
  });

  test('leaves what another repository has', async () => {
    await using registry = await TestRegistry.start({ collectGrace: 0 });
    const layer = randomBytes(100);
    const first = await registry.pushImage('a', 'v', [layer]);
    await registry.pushImage('b', 'v', [layer]);
    await remove(registry, `/v2/a/manifests/${first.digest}`);
    await age();
    expect(await registry.running.collect()).toMatchObject({ links: 2, blobs: 0 });
    expect((await registry.request(`/v2/a/blobs/${digestOf(layer)}`)).status).toBe(404);
    expect((await registry.request(`/v2/b/blobs/${digestOf(layer)}`)).status).toBe(200);
    // Nothing is left of it.
    expect((await registry.request('/v2/a/tags/list')).status).toBe(404);
  });

  test('leaves what is younger than the grace period', async () => {
    await using registry = await TestRegistry.start();
    const image = await registry.pushImage('a', 'v', [randomBytes(100)]);
    await registry.pushBlob('a', randomBytes(50));
    await remove(registry, `/v2/a/manifests/${image.digest}`);
    await age();
    expect(await registry.running.collect()).toMatchObject({ links: 0, blobs: 0 });
  });

  test('a blob that was asked for lately stays for the push that asked', async () => {
    const grace = 400;
    await using registry = await TestRegistry.start({ collectGrace: grace });
    const layer = randomBytes(100);
    const image = await registry.pushImage('a', 'v', [layer]);
    await Bun.sleep(grace);
    await remove(registry, `/v2/a/manifests/${image.digest}`);
    // The deletion made its blobs young; from half of the grace period on a question does it again.
    for (let i = 0; i < 4; i++) {
      await Bun.sleep(grace * 0.6);
      const head = await registry.request(`/v2/a/blobs/${digestOf(layer)}`, { method: 'HEAD' });
      expect(head.status).toBe(200);
      await registry.running.collect();
    }
    expect((await registry.request(`/v2/a/blobs/${image.document.config.digest}`)).status).toBe(404);
    expect((await registry.request(`/v2/a/blobs/${digestOf(layer)}`)).status).toBe(200);
  });

  test('blobs of a push whose later blob is still coming stay', async () => {
    await using registry = await TestRegistry.start({ collectGrace: 0 });
    const layer = randomBytes(100);
    await registry.pushBlob('a', layer);
    const begun = await registry.request('/v2/a/blobs/uploads/', { method: 'POST' });
    const held = Promise.withResolvers<void>();
    const path = begun.headers.get('location') ?? '';
    const slow = registry.request(path, {
      method: 'PATCH',
      body: new ReadableStream({
        async start(controller): Promise<void> {
          controller.enqueue(randomBytes(10));
          await held.promise;
          controller.close();
        },
      }),
    });
    while ((await registry.request(path)).headers.get('range') !== '0-9') await Bun.sleep(5);
    await age();
    expect(await registry.running.collect()).toMatchObject({ links: 0, blobs: 0 });
    held.resolve();
    expect((await slow).status).toBe(202);
    await age();
    // Nothing is being written, and with no grace period that is all that counts.
    expect(await registry.running.collect()).toMatchObject({ links: 1, blobs: 1 });
  });

  test('untagged manifests go when asked for, with what only they held', async () => {
    await using registry = await TestRegistry.start({ collectGrace: 0, collectUntagged: true });
    const child = await registry.pushImage('a', 'child', [randomBytes(100)]);
    const manifests = [{ mediaType: MEDIA_TYPES.ociManifest, digest: child.digest, size: child.size }];
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
    await registry.putManifest('a', 'multi', index, MEDIA_TYPES.ociIndex);
    await remove(registry, '/v2/a/manifests/child');
    const subject = { mediaType: MEDIA_TYPES.ociIndex, digest: digestOf(JSON.stringify(index)), size: 1 };
    const signature = await registry.pushImage('a', 'sig', [], { subject });
    await remove(registry, '/v2/a/manifests/sig');
    await age();
    // The child is in a tagged index; the signature's subject is there.
    expect(await registry.running.collect()).toMatchObject({ manifests: 0, links: 0 });
    expect((await registry.request(`/v2/a/manifests/${signature.digest}`)).status).toBe(200);
    await remove(registry, '/v2/a/manifests/multi');
    for (let i = 0; i < 3; i++) {
      await age();
      await registry.running.collect();
    }
    expect(files(registry)).toEqual([]);
    expect((await registry.request('/v2/a/tags/list')).status).toBe(404);
  });

  test('never takes what a push at the same time reuses', async () => {
    await using registry = await TestRegistry.start({ collectGrace: 0 });
    const layers = Array.from({ length: 6 }, () => randomBytes(64));
    let running = true;
    const collecting = (async () => {
      let blobs = 0;
      while (running) {
        blobs += (await registry.running.collect()).blobs;
        await Bun.sleep(1);
      }
      return blobs;
    })();
    let images = 0;
    let retries = 0;
    await Promise.all(
      [0, 1, 2].map(async (worker) => {
        const repository = `r${worker}`;
        for (let round = 0; round < 12; round++) {
          const image = await registry
            .pushImage(repository, 'v', layers.slice(0, 1 + (round % 6)))
            .catch(() => {
              // Without a grace period a blob may be gone before its manifest comes; the registry then says so.
              retries++;
            });
          if (image === undefined) continue;
          images++;
          for (const { digest } of [image.document.config, ...image.document.layers]) {
            const response = await registry.request(`/v2/${repository}/blobs/${digest}`);
            expect(response.status).toBe(200);
            expect(digestOf(new Uint8Array(await response.arrayBuffer()))).toBe(digest);
          }
          await remove(registry, `/v2/${repository}/manifests/${image.digest}`);
        }
      }),
    );
    running = false;
    expect(await collecting).toBeGreaterThan(0);
    expect(images).toBeGreaterThan(0);
    expect(images + retries).toBe(36);
  }, 60_000);

  test('expired uploads', async () => {
    await using registry = await TestRegistry.start({ uploadExpiry: 50 });
    const begun = await registry.request('/v2/a/blobs/uploads/', { method: 'POST' });
    const path = begun.headers.get('location') ?? '';
    await registry.request(path, { method: 'PATCH', body: randomBytes(10) });
    // Closed, as a restart does it; an open one is used.
    await registry.restart();
    expect(readdirSync(join(registry.root, 'content/ingest'))).toHaveLength(1);
    await Bun.sleep(60);
    await registry.running.collect();
    expect((await registry.request(path)).status).toBe(404);
    expect(readdirSync(join(registry.root, 'content/ingest'))).toHaveLength(0);
  });
});
