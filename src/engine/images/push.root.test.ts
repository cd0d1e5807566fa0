/** Pushing from a real store to Debian's docker-registry, looked at with skopeo. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { must } from '../../../test/support/command.ts';
import { type RunningRegistry, startDockerRegistry } from '../../../test/support/docker-registry.ts';
import { file, ImageLab, QUIET, type Setup, stream, tarOf } from '../../../test/support/image-lab.ts';
import { digestOf, shortDigest } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { RegistryClient } from '../../registry-client/client.ts';
import type { ProgressEvent } from './images.ts';

const LOW = tarOf(file('low', randomBytes(3_000_000)));
const HIGH = tarOf(file('high', 'text '.repeat(100_000)));

const lab = new ImageLab();
let folder = '';
let registry: RunningRegistry;
let other: RunningRegistry;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-push-'));
  registry = await startDockerRegistry(folder, 'one');
  other = await startDockerRegistry(folder, 'other');
}, 60_000);

afterAll(async () => {
  await registry?.stop();
  await other?.stop();
  await lab.close();
  rmSync(folder, { recursive: true, force: true });
});

const fresh = (): Setup => lab.fresh(undefined, new RegistryClient({ retryDelayMs: 1 }));
const signal = new AbortController().signal;

/** A docker-archive with one image of two layers. */
function archive(name: string): ReadableStream<Uint8Array> {
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['true'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(LOW), digestOf(HIGH)] },
  });
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['low.tar', 'high.tar'] }];
  return stream(
    tarOf(
      file('config.json', config),
      file('low.tar', LOW),
      file('high.tar', HIGH),
      file('manifest.json', JSON.stringify(manifest)),
    ),
  );
}

/** Pushes and returns what was said. */
async function push(setup: Setup, name: string, options: object = {}): Promise<ProgressEvent[]> {
  const events: ProgressEvent[] = [];
  await setup.images.push(name, { report: (event) => void events.push(event), signal, ...options });
  return events;
}

/** The lines that a client prints, without those that come and go. */
function lines(events: readonly ProgressEvent[]): string[] {
  return events
    .filter(({ status, current }) => status !== undefined && status !== 'Waiting' && current === undefined)
    .map(({ id, status }) => (id === undefined ? `${status}` : `${id}: ${status}`));
}

function skopeo(...args: string[]): Promise<string> {
  return must(['skopeo', '--insecure-policy', ...args]);
}

const rawManifest = (name: string): Promise<string> =>
  skopeo('inspect', '--raw', '--tls-verify=false', `docker://${name}`);

function blobIn({ root }: RunningRegistry, digest: string): Buffer {
  const hex = digest.slice('sha256:'.length);
  return readFileSync(join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'));
}

const ids = [HIGH, LOW].map((tar) => shortDigest(digestOf(tar)));

describe('an image that was loaded', () => {
  test('becomes what dockerd makes of it, and is not sent twice', async () => {
    const setup = fresh();
    const name = `${registry.host}/made/app`;
    await setup.images.load(archive(`${name}:v1`), QUIET);
    const events = await push(setup, `${name}:v1`);
    const raw = await rawManifest(`${name}:v1`);
    const manifest = JSON.parse(raw);
    const digest = digestOf(raw);
    expect(lines(events).sort()).toEqual(
      [
        `The push refers to repository [${name}]`,
        ...ids.map((id) => `${id}: Preparing`),
        ...ids.map((id) => `${id}: Pushed`),
        `v1: digest: ${digest} size: ${raw.length}`,
      ].sort(),
    );
    expect(events.at(-1)).toEqual({ aux: { Tag: 'v1', Digest: digest, Size: raw.length } });
    expect(manifest.mediaType).toBe(MEDIA_TYPES.dockerManifest);
    expect(raw).toStartWith('{\n   "schemaVersion": 2,\n   "mediaType": ');
    expect(manifest.layers.map((layer: { mediaType: string }) => layer.mediaType)).toEqual([
      MEDIA_TYPES.dockerLayerGzip,
      MEDIA_TYPES.dockerLayerGzip,
    ]);
    const plain = manifest.layers.map((layer: { digest: string }) =>
      gunzipSync(blobIn(registry, layer.digest)),
    );
    expect(plain.map((tar: Buffer) => digestOf(tar))).toEqual([digestOf(LOW), digestOf(HIGH)]);
    expect(setup.images.get(`${name}:v1`).repoDigests).toEqual([`${name}@${digest}`]);

    const again = lines(await push(setup, `${name}:v1`));
    expect(again.filter((line) => line.endsWith('Layer already exists'))).toHaveLength(2);
    expect(again.at(-1)).toBe(`v1: digest: ${digest} size: ${raw.length}`);

    // Elsewhere in the same registry the layers are there already; at another one they are made again.
    await setup.images.tag(`${name}:v1`, `${registry.host}/elsewhere`);
    const mounted = lines(await push(setup, `${registry.host}/elsewhere:latest`));
    expect(mounted.filter((line) => line.endsWith('Mounted from made/app'))).toHaveLength(2);
    await setup.images.tag(`${name}:v1`, `${other.host}/far`);
    await push(setup, `${other.host}/far:latest`);
    expect(await rawManifest(`${other.host}/far:latest`)).toBe(raw);
  });

  test('is pulled again by others: skopeo and ourselves', async () => {
    const setup = fresh();
    const name = `${registry.host}/made/again`;
    await setup.images.load(archive(`${name}:v1`), QUIET);
    await push(setup, `${name}:v1`);
    await skopeo('copy', '--src-tls-verify=false', `docker://${name}:v1`, `dir:${folder}/copied`);
    const reader = fresh();
    const image = await reader.images.pull(`${name}:v1`, { ...QUIET, signal });
    expect(image.id).toBe(setup.images.get(`${name}:v1`).id);
  });
});

/** An image at the registry that skopeo brought there from an OCI layout, with another compressor than ours. */
async function pushBySkopeo(name: string, index: boolean): Promise<string> {
  const layout = join(folder, `layout-${name.replaceAll(/[^a-z]/g, '')}`);
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const blob = (mediaType: string, bytes: Uint8Array | string) => {
    const digest = digestOf(bytes);
    writeFileSync(join(layout, 'blobs/sha256', digest.slice(7)), bytes);
    return { mediaType, digest, size: Buffer.from(bytes).byteLength };
  };
  const config = blob(
    MEDIA_TYPES.ociConfig,
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(LOW), digestOf(HIGH)] },
    }),
  );
  const layers = [LOW, HIGH].map((tar) => blob(MEDIA_TYPES.ociLayerGzip, gzipSync(tar, { level: 9 })));
  const manifest = blob(
    MEDIA_TYPES.ociManifest,
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers }),
  );
  const platform = { architecture: 'amd64', os: 'linux' };
  const top = index
    ? blob(
        MEDIA_TYPES.ociIndex,
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA_TYPES.ociIndex,
          manifests: [{ ...manifest, platform }],
        }),
      )
    : manifest;
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  const manifests = [{ ...top, annotations }];
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  await skopeo(
    'copy',
    '--all',
    '--preserve-digests',
    '--dest-tls-verify=false',
    `oci:${layout}:v1`,
    `docker://${name}`,
  );
  return top.digest;
}

describe('an image that was pulled', () => {
  test.each([false, true])('keeps its digest at another registry (index: %p)', async (index) => {
    const name = `${registry.host}/pulled/${index ? 'index' : 'manifest'}`;
    const digest = await pushBySkopeo(`${name}:v1`, index);
    const setup = fresh();
    await setup.images.pull(`${name}:v1`, { ...QUIET, signal });
    const target = `${other.host}/kept${index ? '-index' : ''}`;
    await setup.images.tag(`${name}:v1`, `${target}:v1`);
    const events = await push(setup, `${target}:v1`);
    expect(digestOf(await rawManifest(`${target}:v1`))).toBe(digest);
    expect(lines(events).filter((line) => line.endsWith(': Pushed'))).toHaveLength(2);
    expect(setup.images.get(`${target}:v1`).repoDigests.toSorted()).toEqual(
      [`${name}@${digest}`, `${target}@${digest}`].toSorted(),
    );
  });

  test('for a platform goes without its index', async () => {
    const name = `${registry.host}/pulled/platform`;
    await pushBySkopeo(`${name}:v1`, true);
    const setup = fresh();
    await setup.images.pull(`${name}:v1`, { ...QUIET, signal });
    await setup.images.tag(`${name}:v1`, `${other.host}/one`);
    await push(setup, `${other.host}/one:latest`, { platform: { os: 'linux', architecture: 'amd64' } });
    expect(JSON.parse(await rawManifest(`${other.host}/one:latest`)).mediaType).toBe(MEDIA_TYPES.ociManifest);
    const wrong = push(setup, `${other.host}/one:latest`, {
      platform: { os: 'linux', architecture: 'arm64' },
    });
    await expect(wrong).rejects.toThrow('does not match the specified platform (linux/arm64)');
  });

  test('gets a new manifest when a blob of it is gone', async () => {
    const name = `${registry.host}/pulled/partly`;
    const digest = await pushBySkopeo(`${name}:v1`, false);
    const setup = fresh();
    await setup.images.pull(`${name}:v1`, { ...QUIET, signal });
    await setup.content.remove(digestOf(gzipSync(HIGH, { level: 9 })));
    await setup.images.tag(`${name}:v1`, `${other.host}/partly`);
    const events = await push(setup, `${other.host}/partly:latest`);
    expect(lines(events)).toContain(
      `Compressed layers of ${digest} are not here any more: the image gets a new manifest`,
    );
    const manifest = JSON.parse(await rawManifest(`${other.host}/partly:latest`));
    expect(manifest.mediaType).toBe(MEDIA_TYPES.dockerManifest);
    // What is still there is sent as it came.
    expect(manifest.layers[0].digest).toBe(digestOf(gzipSync(LOW, { level: 9 })));
    expect(digestOf(await rawManifest(`${other.host}/partly:latest`))).not.toBe(digest);

    // The registry that it came from has the blob: there the manifest is kept.
    const near = `${registry.host}/pulled/near`;
    await setup.images.tag(`${name}:v1`, near);
    await push(setup, `${near}:latest`);
    expect(digestOf(await rawManifest(`${near}:latest`))).toBe(digest);
  });

  test('gets a new manifest when the registry has lost what it had', async () => {
    const name = `${registry.host}/pulled/lost`;
    const digest = await pushBySkopeo(`${name}:v1`, false);
    const setup = fresh();
    await setup.images.pull(`${name}:v1`, { ...QUIET, signal });
    const blob = digestOf(gzipSync(HIGH, { level: 9 }));
    await setup.content.remove(blob);
    setup.layerBlobs.seenIn(`${other.host}/never/there`, [blob]);
    await setup.images.tag(`${name}:v1`, `${other.host}/lost`);
    await push(setup, `${other.host}/lost:latest`);
    expect(digestOf(await rawManifest(`${other.host}/lost:latest`))).not.toBe(digest);
  });

  test('is pulled and pushed with all its tags', async () => {
    const name = `${registry.host}/pulled/tags`;
    for (const tag of ['a', 'b']) await pushBySkopeo(`${name}:${tag}`, false);
    const setup = fresh();
    const events: ProgressEvent[] = [];
    await setup.images.pullAll(name, { report: (event) => void events.push(event), signal });
    expect(setup.images.get(`${name}:a`).repoTags.toSorted()).toEqual([`${name}:a`, `${name}:b`]);
    expect(lines(events).filter((line) => line.startsWith('Status: '))).toEqual([
      `Status: Downloaded newer image for ${name}`,
    ]);
    for (const tag of ['a', 'b']) await setup.images.tag(`${name}:${tag}`, `${other.host}/tags:${tag}`);
    await push(setup, `${other.host}/tags`);
    expect(
      JSON.parse(
        await skopeo('list-tags', '--tls-verify=false', `docker://${other.host}/tags`),
      ).Tags.toSorted(),
    ).toEqual(['a', 'b']);
  });
});

describe("errors are dockerd's", () => {
  test.each([
    ['app:v2', 'tag does not exist: app:v2'],
    ['nosuch', 'An image does not exist locally with the tag: nosuch'],
    [`app@${digestOf('')}`, 'cannot push a digest reference'],
  ])('%s', async (name, words) => {
    const setup = fresh();
    await setup.images.load(archive('app:v1'), QUIET);
    await expect(push(setup, name)).rejects.toThrow(words);
  });
});
