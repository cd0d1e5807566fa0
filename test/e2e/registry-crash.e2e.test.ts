/** `tare registry serve` and `gc` as programs: killed at any moment, they leave nothing that is half there. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt } from '../../scripts/ensure-built.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/manifest.ts';
import { must, run } from '../support/command.ts';
import { RegistryProcess } from '../support/registry-process.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tare-regcrash-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const blobFiles = () => readdirSync(join(root, 'content/blobs/sha256')).sort();
const gc = async (...args: string[]) =>
  must([(await ensureBuilt()).path, 'registry', 'gc', '--root', root, ...args]);

test('an upload goes on where a killed server left it', async () => {
  const bytes = randomBytes(3_000_000);
  const digest = digestOf(bytes);
  let registry = await RegistryProcess.start({ root });
  const begun = await registry.request('/v2/a/blobs/uploads/', { method: 'POST' });
  const path = begun.headers.get('location') ?? '';
  await registry.request(path, { method: 'PATCH', body: bytes.subarray(0, 1_000_000) });
  // A second chunk that is still coming when the server dies.
  const held = Promise.withResolvers<void>();
  const cut = registry
    .request(path, {
      method: 'PATCH',
      body: new ReadableStream({
        async start(controller): Promise<void> {
          controller.enqueue(bytes.slice(1_000_000, 1_500_000));
          await held.promise;
          controller.close();
        },
      }),
    })
    .then(
      () => 'answered',
      () => 'cut',
    );
  const offsetOf = async () => Number((await registry.request(path)).headers.get('range')?.slice(2)) + 1;
  while ((await offsetOf()) < 1_500_000) await Bun.sleep(10);
  await registry.kill();
  held.resolve();
  expect(await cut).toBe('cut');
  registry = await RegistryProcess.start({ root });
  expect(await offsetOf()).toBe(1_500_000);
  const rest = await registry.request(`${path}?digest=${digest}`, {
    method: 'PUT',
    body: bytes.subarray(1_500_000),
  });
  expect(rest.status).toBe(201);
  const blob = await registry.request(`/v2/a/blobs/${digest}`);
  expect(digestOf(new Uint8Array(await blob.arrayBuffer()))).toBe(digest);
  expect(readdirSync(join(root, 'content/ingest'))).toEqual([]);
  expect(await registry.stop()).toBe(0);
});

/** Pushes images until the server is gone; returns the tags whose manifest was answered with 201. */
async function pushUntilItDies(
  registry: RegistryProcess,
  repository: string,
  layers: Uint8Array[],
): Promise<string[]> {
  const done: string[] = [];
  try {
    for (let n = 0; ; n++) {
      const blobs = [randomBytes(2000), layers[n % layers.length]!, randomBytes(200_000)];
      const descriptors = [];
      for (const bytes of blobs) {
        const digest = digestOf(bytes);
        const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
        const response = await registry.request(path, { method: 'POST', body: bytes });
        if (response.status !== 201) throw new Error(`blob: ${response.status}`);
        descriptors.push({ mediaType: MEDIA_TYPES.ociLayer, digest, size: bytes.length });
      }
      const [config, ...rest] = descriptors;
      const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: rest };
      const tag = `t${crypto.randomUUID().slice(0, 8)}`;
      const response = await registry.request(`/v2/${repository}/manifests/${tag}`, {
        method: 'PUT',
        body: JSON.stringify(document),
        headers: { 'Content-Type': MEDIA_TYPES.ociManifest },
      });
      if (response.status !== 201) throw new Error(`manifest: ${response.status} ${await response.text()}`);
      done.push(tag);
    }
  } catch (error) {
    if (!/ECONN|closed|Unable to connect|socket/i.test(String(error))) throw error;
    return done;
  }
}

/** Every tag leads to a manifest and every manifest to blobs, all with the right bytes. Returns their digests. */
async function verify(registry: RegistryProcess): Promise<{ tags: Set<string>; digests: Set<string> }> {
  const tags = new Set<string>();
  const digests = new Set<string>();
  const { repositories } = (await (await registry.request('/v2/_catalog')).json()) as {
    repositories: string[];
  };
  for (const repository of repositories) {
    const list = (await (await registry.request(`/v2/${repository}/tags/list`)).json()) as { tags: string[] };
    for (const tag of list.tags) {
      tags.add(tag);
      const response = await registry.request(`/v2/${repository}/manifests/${tag}`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      const digest = response.headers.get('docker-content-digest') ?? '';
      expect(digestOf(bytes)).toBe(digest);
      digests.add(digest.slice(7));
      const document = JSON.parse(new TextDecoder().decode(bytes)) as {
        config: { digest: string };
        layers: { digest: string }[];
      };
      for (const blob of [document.config, ...document.layers]) {
        const answer = await registry.request(`/v2/${repository}/blobs/${blob.digest}`);
        expect(digestOf(new Uint8Array(await answer.arrayBuffer()))).toBe(blob.digest);
        digests.add(blob.digest.slice(7));
      }
    }
  }
  return { tags, digests };
}

test('killed in the middle of pushes and collections: what was answered stays, the rest is collected', async () => {
  const shared = [randomBytes(100_000), randomBytes(50_000)];
  const promised: string[] = [];
  for (let round = 0; round < 6; round++) {
    const registry = await RegistryProcess.start({
      root,
      args: ['--gc-grace', '200ms', '--gc-interval', '30ms'],
    });
    const pushing = ['a/x', 'b', 'c'].map((repository) => pushUntilItDies(registry, repository, shared));
    await Bun.sleep(60 + Math.random() * 500);
    await registry.kill();
    promised.push(...(await Promise.all(pushing)).flat());
  }
  expect(promised.length).toBeGreaterThan(0);
  const registry = await RegistryProcess.start({ root });
  const { tags } = await verify(registry);
  for (const tag of promised) expect(tags).toContain(tag);
  await registry.stop();
  await gc('--gc-grace', '0s');
  const again = await RegistryProcess.start({ root });
  const { digests } = await verify(again);
  expect(blobFiles()).toEqual([...digests].sort());
  expect(readdirSync(join(root, 'content/ingest'))).toEqual([]);
  await again.stop();
}, 120_000);

test('gc asks the running server; a second server is refused; SIGUSR1 collects', async () => {
  const registry = await RegistryProcess.start({ root, args: ['--gc-grace', '0s', '--gc-interval', '0s'] });
  const bytes = randomBytes(1000);
  const push = () =>
    registry.request(`/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, { method: 'POST', body: bytes });
  expect((await push()).status).toBe(201);
  await Bun.sleep(5);
  expect(await gc()).toBe('Removed 1 blobs, 1 links, 0 manifests\nFreed: 1kB');
  expect(blobFiles()).toEqual([]);
  expect((await push()).status).toBe(201);
  await Bun.sleep(5);
  registry.signal('SIGUSR1');
  while (blobFiles().length > 0) await Bun.sleep(10);
  const second = await run([
    (await ensureBuilt()).path,
    'registry',
    'serve',
    '--root',
    root,
    '--addr',
    '127.0.0.1:0',
  ]);
  expect([second.code, second.stderr.includes('another registry server has the root')]).toEqual([1, true]);
  const taken = await run([
    (await ensureBuilt()).path,
    'registry',
    'serve',
    '--root',
    `${root}/b`,
    '--addr',
    registry.host,
  ]);
  expect([taken.code, taken.stderr.includes('cannot listen')]).toEqual([1, true]);
  expect(await registry.stop()).toBe(0);
  expect(readdirSync(root)).not.toContain('control.sock');
});
